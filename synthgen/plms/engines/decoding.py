"""Write the texts of one batch with ``model.generate``, a stride at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor

from synthgen.plms.engines.debiasing import SelfDebiasing
from synthgen.plms.engines.prompts import Sent
from synthgen.plms.engines.reading import Reader
from synthgen.plms.engines.sampling import EndOnStop, RowSampler
from synthgen.plms.engines.vocabulary import Vocabulary
from synthgen.records import Request

STRIDE = 24
"""Tokens decoded before rows that have ended are let go."""


@dataclass(slots=True)
class Row:
    """A request, what is sent for it, and what came of it: the ``tokens`` written, the one that ended it included.

    ``ended`` is False where the text only reached its length limit. ``cached`` tokens of the prompt were read for
    another row of the batch and not again. ``shadows`` read the prompts that the text is debiased against and go on
    with the tokens of this row; nothing comes of them, and they have no shadows.
    """

    request: Request
    sent: Sent
    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    cached: int = 0
    shadows: Sequence["Row"] = ()


class Decoder:
    """Samples from a causal or encoder-decoder model. Nothing of the model's own sampling settings applies: what a
    request does not say is not done.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._encoder_decoder = bool(model.config.is_encoder_decoder)
        self._reader = Reader(model, vocabulary.pad)
        own = model.generation_config
        starts = (own.decoder_start_token_id, getattr(model.config, "decoder_start_token_id", None), vocabulary.pad)
        self._start: int = next(start for start in starts if start is not None)
        model.generation_config = GenerationConfig(
            bos_token_id=own.bos_token_id,
            eos_token_id=sorted(vocabulary.ends) or None,
            pad_token_id=vocabulary.pad,
            decoder_start_token_id=self._start if self._encoder_decoder else None,
            forced_bos_token_id=own.forced_bos_token_id,
        )

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def write(self, rows: Sequence[Row]) -> None:
        """Fill in what each row writes; what several rows begin with is read once."""
        everyone = [*rows, *(shadow for row in rows for shadow in row.shadows)]
        prompts = {_key(row): row.sent.tokens for row in sorted(everyone, key=_key)}
        order = {key: place for place, key in enumerate(prompts)}
        read = self._reader.read(list(prompts.values()), [order[_key(row)] for row in everyone])
        known: set[tuple[str, int]] = set()
        for row in rows:
            again = _key(row) in known
            row.cached = len(row.sent.tokens) - 1 if again else read.shared if known else 0
            known.add(_key(row))
        begun = torch.full_like(read.ids[:, :1], self._start) if self._encoder_decoder else read.ids
        self._write(list(rows), begun, read.mask, read.states)

    def _write(self, rows: list[Row], ids: torch.Tensor, mask: torch.Tensor, shared: dict[str, Any]) -> None:
        """Decode in strides and let go of rows that have ended, so that few long texts do not hold up a batch.

        ``ids``, ``mask`` and ``shared`` hold the shadows behind all of ``rows``, in their order.
        """
        limit, done = max(row.request.sampling.max_tokens for row in rows), 0
        while rows:
            leaders = [place for place, row in enumerate(rows) for _ in row.shadows]
            ends = self._ends(rows, leaders, start=ids.shape[1] - done, device=ids.device)
            output = self._model.generate(
                **{"decoder_input_ids" if self._encoder_decoder else "input_ids": ids},
                attention_mask=mask,
                # Without it an encoder-decoder would read again, behind its cache, all that it has written.
                **({"decoder_attention_mask": torch.ones_like(ids)} if self._encoder_decoder else {}),
                **shared,
                max_new_tokens=min(STRIDE, limit - done),
                do_sample=False,
                logits_processor=_processors(rows, leaders, done, ids.device),
                stopping_criteria=[ends],
                return_dict_in_generate=True,
            )
            new = output.sequences[:, ids.shape[1] :]
            going = _kept(rows, new, *ends.written(new, done), done)
            done += new.shape[1]
            select = torch.tensor(_with_shadows(going, leaders, len(rows)), device=ids.device)
            rows = [rows[row] for row in going]
            if rows:
                ids, mask = output.sequences[select], mask[select]
                if not self._encoder_decoder:
                    mask = torch.cat([mask, mask.new_ones(len(select), new.shape[1])], dim=-1)
                shared = self._going_on(shared, output.past_key_values, select, len(new))

    def _ends(self, rows: list[Row], leaders: list[int], start: int, device: torch.device) -> EndOnStop:
        """A shadow, which has the tokens of its leader, ends with it."""
        samplings = [row.request.sampling for row in (*rows, *(rows[leader] for leader in leaders))]
        closing = {stop: self._vocabulary.closing(stop) for stop in {sampling.stop for sampling in samplings}}
        return EndOnStop(closing, samplings, start=start, device=device)

    def _going_on(self, shared: dict[str, Any], cache: Any, rows: torch.Tensor, before: int) -> dict[str, Any]:
        if len(rows) < before:
            self._reader.select(cache, rows)
        if not self._encoder_decoder:
            return {"past_key_values": cache}
        states = shared["encoder_outputs"]
        states.last_hidden_state = states.last_hidden_state[rows.to(states.last_hidden_state.device)]
        return {"encoder_outputs": states, "past_key_values": cache}


def _key(row: Row) -> tuple[str, int]:
    return str(row.request.prompt), row.sent.dropped


def _processors(rows: list[Row], leaders: list[int], done: int, device: torch.device) -> list[LogitsProcessor]:
    requests = [row.request for row in rows]
    sampler = RowSampler(requests, STRIDE, skip=done, leaders=leaders, device=device)
    if not leaders:
        return [sampler]
    return [SelfDebiasing([request.sampling.debias for request in requests], leaders, device=device), sampler]


def _with_shadows(going: list[int], leaders: list[int], count: int) -> list[int]:
    """Return the places of the rows ``going`` on and then those of their shadows, which stand behind ``count`` rows."""
    kept = set(going)
    return [*going, *(count + place for place, leader in enumerate(leaders) if leader in kept)]


def _kept(rows: list[Row], new: torch.Tensor, used: torch.Tensor, ended: torch.Tensor, before: int) -> list[int]:
    """Give each row what it wrote and return the places of those that go on; what follows the ``rows`` is shadows'."""
    going = []
    written = zip(rows, new.tolist(), used.tolist(), ended.tolist(), strict=False)
    for place, (row, tokens, count, end) in enumerate(written):
        row.tokens += tokens[:count]
        row.ended = end
        if not end and before + new.shape[1] < row.request.sampling.max_tokens:
            going.append(place)
    return going
