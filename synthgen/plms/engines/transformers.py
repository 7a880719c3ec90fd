"""Run a PLM in this process with transformers, on a CPU or a GPU.

Batches hold prompts of like length, padded on the left. Every row draws its tokens from its own generator, so a
completion depends on its request's seed and not on its neighbours; a row ends at the first token that closes the
quote. Prompts that are equal are read once: their attention states are shared by all rows that continue them.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DynamicCache,
    EncoderDecoderCache,
)
from transformers.utils import logging as transformers_logging

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.cache import roomy
from synthgen.plms.engines.sampling import EndOnStop, RowSampler, tokens_with
from synthgen.records import Completion, FinishReason, Request, Sampling

STRIDE = 24
"""Tokens decoded before rows that have ended are let go."""

_log = logging.getLogger(__name__)


def open_transformers(plm: PLM) -> "TransformersEngine":
    """Load ``plm`` with the Auto classes. Raises ``UserError`` where it is missing, gated, damaged or too large."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    revision: dict[str, Any] = {"revision": plm.revision} if plm.revision else {}
    try:
        config = AutoConfig.from_pretrained(plm.location, **revision)
        tokenizer = AutoTokenizer.from_pretrained(plm.location, **revision)
        loader = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        dtype = torch.float32 if device == "cpu" else plm.dtype
        model = loader.from_pretrained(plm.location, dtype=dtype, **revision).to(device).eval()
    except Exception as error:
        # Every layer below has its own exceptions for the same few causes: absent, gated, offline, damaged.
        _log.debug("loading %s failed", plm.model, exc_info=True)
        raise UserError(_why_not(plm, error)) from error
    return TransformersEngine(model, tokenizer, chat=plm.chat)


def _why_not(plm: PLM, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if plm.size == "pocket":
        return f"The bundled model {plm.model} is damaged ({reason}); install synthgen again."
    if plm.size == "hub" or plm.size == "paper":
        return f"The PLM {plm.model} could not be loaded ({reason}); check its name, your access to it and the network."
    return f"The model folder of {plm.name} could not be loaded ({reason})."


class TransformersEngine:
    """Batched sampling over a causal or encoder-decoder model. ``batch_size`` rows run together."""

    def __init__(self, model: Any, tokenizer: Any, *, chat: bool = False, batch_size: int = 64) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._chat = chat
        self._batch_size = batch_size
        self._encoder_decoder = bool(model.config.is_encoder_decoder)
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._encoded: dict[str, list[int]] = {}
        self._tokens_holding: dict[str, torch.Tensor] = {}

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group by prompt length, then prompt, so that little is padded and equal prompts meet."""
        ordered = sorted(requests, key=lambda request: (self._length(request), request.prompt, request.id))
        size = self._batch_size
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions batch by batch."""
        for batch in self.batches(requests):
            yield from self._run(batch)

    def close(self) -> None:
        """Drop the weights and return the GPU's memory."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _length(self, request: Request) -> int:
        return len(self._tokens(request.prompt))

    def _tokens(self, prompt: str) -> list[int]:
        if prompt not in self._encoded:
            text = prompt
            if self._chat:
                message = [{"role": "user", "content": prompt}]
                text = self._tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
            self._encoded[prompt] = self._tokenizer(text, add_special_tokens=not self._chat)["input_ids"]
        return self._encoded[prompt]

    def _run(self, batch: list[Request]) -> list[Completion]:
        with torch.inference_mode():
            return self._sampled(batch)

    def _sampled(self, batch: list[Request]) -> list[Completion]:
        prompts = sorted({request.prompt for request in batch})
        rows = torch.tensor([prompts.index(request.prompt) for request in batch], device=self._model.device)
        padded = self._tokenizer.pad({"input_ids": [self._tokens(prompt) for prompt in prompts]}, return_tensors="pt")
        ids, mask = padded["input_ids"].to(rows.device), padded["attention_mask"].to(rows.device)
        shared = self._read_once(ids, mask, rows)
        written: dict[str, list[int]] = {request.id: [] for request in batch}
        if self._encoder_decoder:
            start = torch.full((len(batch), 1), self._model.generation_config.decoder_start_token_id)
            self._write(batch, start.to(rows.device), mask[rows], shared, written)
        else:
            self._write(batch, ids[rows], mask[rows], shared, written)
        first = {prompt: next(request.id for request in batch if request.prompt == prompt) for prompt in prompts}
        return [
            self._completion(request, written[request.id], cached=first[request.prompt] != request.id)
            for request in batch
        ]

    def _write(
        self,
        open_rows: list[Request],
        ids: torch.Tensor,
        mask: torch.Tensor,
        shared: dict[str, Any],
        written: dict[str, list[int]],
    ) -> None:
        """Decode in strides and let go of rows that have ended, so that few long texts do not hold up a batch."""
        limit, done = max(request.sampling.max_tokens for request in open_rows), 0
        while open_rows:
            samplings = [request.sampling for request in open_rows]
            ends = EndOnStop(self._holding(samplings), samplings, start=ids.shape[1] - done)
            output = self._model.generate(
                **{"decoder_input_ids" if self._encoder_decoder else "input_ids": ids},
                attention_mask=mask,
                **shared,
                max_new_tokens=min(STRIDE, limit - done),
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
                logits_processor=[RowSampler(open_rows, STRIDE, skip=done)],
                stopping_criteria=[ends],
                return_dict_in_generate=True,
            )
            new = output.sequences[:, ids.shape[1] :]
            for request, tokens in zip(open_rows, new.tolist(), strict=True):
                written[request.id].extend(tokens)
            done += new.shape[1]
            going = self._going(output.sequences, ends)
            open_rows = [open_rows[row] for row in going.tolist()]
            if open_rows:
                ids, mask = output.sequences[going], mask[going]
                if not self._encoder_decoder:
                    mask = torch.cat([mask, mask.new_ones(len(going), new.shape[1])], dim=-1)
                shared = self._kept(shared, output.past_key_values, going)

    def _going(self, sequences: torch.Tensor, ends: EndOnStop) -> torch.Tensor:
        """Return the rows that have neither ended nor reached their limit."""
        ended = ends(sequences, None)
        special = torch.tensor([self._tokenizer.eos_token_id, self._tokenizer.pad_token_id], device=sequences.device)
        ended |= torch.isin(sequences[:, -1], special)
        return torch.nonzero(~ended).squeeze(-1)

    def _kept(self, shared: dict[str, Any], cache: Any, going: torch.Tensor) -> dict[str, Any]:
        cache.batch_select_indices(going)
        if self._encoder_decoder:
            states = shared["encoder_outputs"]
            states.last_hidden_state = states.last_hidden_state[going]
            return {"encoder_outputs": states, "past_key_values": cache}
        return {"past_key_values": cache}

    def _holding(self, samplings: Sequence[Sampling]) -> dict[str, torch.Tensor]:
        for stop in {sampling.stop for sampling in samplings} - set(self._tokens_holding):
            self._tokens_holding[stop] = tokens_with(self._tokenizer, stop)
        return self._tokens_holding

    def _read_once(self, ids: torch.Tensor, mask: torch.Tensor, rows: torch.Tensor) -> dict[str, Any]:
        """Read each distinct prompt once and return what its rows share, as arguments of ``generate``.

        A decoder's rows share the cache of all prompt tokens but the last; an encoder-decoder's the encoder's states.
        """
        if self._encoder_decoder:
            states = self._model.get_encoder()(input_ids=ids, attention_mask=mask)
            states.last_hidden_state = states.last_hidden_state[rows]
            # Given here because the one `generate` makes counts the encoder's layers, not the decoder's.
            return {"encoder_outputs": states, "past_key_values": EncoderDecoderCache(DynamicCache(), DynamicCache())}
        if ids.shape[1] < 2:
            return {}
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        read = self._model(
            input_ids=ids[:, :-1],
            attention_mask=mask[:, :-1],
            position_ids=positions[:, :-1],
            use_cache=True,
            logits_to_keep=1,
        )
        read.past_key_values.batch_select_indices(rows)
        return {"past_key_values": roomy(read.past_key_values)}

    def _completion(self, request: Request, tokens: list[int], *, cached: bool) -> Completion:
        tokens = tokens[: request.sampling.max_tokens]
        special = {self._tokenizer.eos_token_id, self._tokenizer.pad_token_id}
        finish: FinishReason = "length"
        used = len(tokens)
        for position, token in enumerate(tokens):
            if token in special:
                finish, used = "stop", position + 1
                tokens = tokens[:position]
                break
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        stop = request.sampling.stop
        if stop and stop in text:
            text, finish = text[: text.index(stop)], "stop"
        return Completion(
            request=request.id,
            text=text,
            finish=finish,
            prompt_tokens=self._length(request),
            completion_tokens=used,
            cached_tokens=self._length(request) - 1 if cached else 0,
        )
