"""Run a PLM in this process with transformers, on a CPU or a GPU.

Batches hold prompts of like length, padded on the left. Every row draws its tokens from its own generator, so a
completion depends on its request's seed and not on its neighbours; a base model's row ends at the first token that
closes the quote. Prompts that are equal are read once: their attention states are shared by all rows that continue
them.

A request that is to be debiased takes one row more for each of its counters. Its completion counts the tokens of its
own prompt and text alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from synthgen.errors import SynthgenError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.debiasing import counters_of
from synthgen.plms.engines.decoding import Decoder, Row
from synthgen.plms.engines.load import load
from synthgen.plms.engines.memory import free_gpu_memory, free_main_memory, gigabytes, out_of_memory, release
from synthgen.plms.engines.prompts import Prompts, Sent, context_of
from synthgen.plms.engines.vocabulary import Vocabulary
from synthgen.prompt import shortened
from synthgen.records import Completion, Request

CPU_ROWS = 64
GPU_ROWS = 256
"""Rows of a batch to begin with."""


def _unheard(sentence: str) -> None:
    """Tell nobody."""


def open_transformers(plm: PLM, note: Callable[[str], None] = _unheard) -> "TransformersEngine":
    """Load ``plm`` with the Auto classes; ``note`` hears, in a sentence each, what the user should know of it.

    Raises ``UserError`` where it is missing, gated, damaged or too large, or lacks its chat template, and
    ``SynthgenError`` where the Hub or the disk fails.
    """
    return TransformersEngine(plm, *load(plm, note), note)


class TransformersEngine:
    """Batched sampling over a causal or encoder-decoder model.

    A batch that does not fit the memory is halved until its parts do, and so are the ones that come after it.
    """

    def __init__(self, plm: PLM, model: Any, tokenizer: Any, note: Callable[[str], None] = _unheard) -> None:
        self._plm = plm
        self._note = note
        self._tokenizer = tokenizer
        vocabulary = Vocabulary(model, tokenizer)
        self._ends = vocabulary.ends
        self._decoder: Decoder | None = Decoder(model, vocabulary)
        self._prompts = Prompts(
            plm,
            tokenizer,
            readable=vocabulary.readable,
            context=context_of(plm, model.config),
            room_for_text=not model.config.is_encoder_decoder,
        )
        self._size = plm.serving.batch_size or (GPU_ROWS if model.device.type == "cuda" else CPU_ROWS)
        self._fitting = self._size

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group by the rows a request takes, prompt length, then prompt, so that little is padded and equal prompts
        meet.

        Raises ``UserError`` where a prompt is longer than the context even without demonstrations.
        """
        # Every batch is full or the last of those that take as many rows, so that the loss of others changes none.
        batches = []
        for rows, alike in groupby(sorted(requests, key=self._place), _rows):
            ordered, size = list(alike), max(1, self._size // rows)
            batches += [ordered[start : start + size] for start in range(0, len(ordered), size)]
        return batches

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions batch by batch. Raises ``SynthgenError`` where not even one row fits the memory."""
        for batch in self.batches(requests):
            done = 0
            while done < len(batch):
                rows = self._as_many_as_fit(batch[done:])
                done += len(rows)
                yield from map(self._completion, rows)

    def close(self) -> None:
        """Drop the weights and return the GPU's memory; the engine cannot be used again."""
        self._decoder = None
        release()

    def _place(self, request: Request) -> tuple[int, int, str, str]:
        return _rows(request), max(len(sent.tokens) for sent in self._sent(request)), request.prompt, request.id

    def _as_many_as_fit(self, waiting: list[Request]) -> list[Row]:
        """Write the first of the waiting requests, all of as many rows; half as many whenever memory runs out."""
        rows = _rows(waiting[0])
        count = wanted = min(max(1, self._fitting // rows), len(waiting))
        while (written := self._written(waiting[:count])) is None:
            release()
            if count == 1:
                raise SynthgenError(self._does_not_fit(waiting[0]))
            count //= 2
        if count < wanted:
            self._fitting = count * rows
            self._note(f"{self._plm.name} did not fit {wanted * rows} rows; batches have {count * rows} now.")
        return written

    def _written(self, requests: list[Request]) -> list[Row] | None:
        """Return the finished rows, None where memory ran out."""
        if self._decoder is None:
            raise RuntimeError(f"The engine of {self._plm.name} is closed.")
        rows = [self._row(self._as_sampled(request)) for request in requests]
        try:
            self._decoder.write(rows)
        except Exception as error:
            if not out_of_memory(error):
                raise
            return None
        return rows

    def _row(self, request: Request) -> Row:
        own, *others = self._sent(request)
        asked = [replace(request, prompt=counter, counters=()) for counter in counters_of(request)]
        return Row(request, own, shadows=[Row(one, sent) for one, sent in zip(asked, others, strict=True)])

    def _sent(self, request: Request) -> list[Sent]:
        """Return what is sent for the prompt and then for each of its counters: where one of them has no room for a
        demonstration, all do without it, for they are to differ in the label and in nothing else.
        """
        asked = [request, *(replace(request, prompt=counter) for counter in counters_of(request))]
        drop = max(self._prompts.sent(one).dropped for one in asked)
        return [self._without(drop, one) for one in asked]

    def _without(self, drop: int, request: Request) -> Sent:
        sent, shorter = self._prompts.sent(request), shortened(request.prompt, drop)
        if sent.dropped == drop or shorter is None:
            return sent
        return replace(self._prompts.sent(replace(request, prompt=shorter)), dropped=drop)

    def _as_sampled(self, request: Request) -> Request:
        """A chat model's answer may begin with a quote, or quote something before it says what was asked for: it goes
        on to the end of its turn.
        """
        return replace(request, sampling=replace(request.sampling, stop="")) if self._plm.chat else request

    def _completion(self, row: Row) -> Completion:
        tokens, stop = row.tokens, row.request.sampling.stop
        text = self._tokenizer.decode(
            tokens[:-1] if tokens[-1:] and tokens[-1] in self._ends else tokens, skip_special_tokens=True
        )
        cut = bool(stop) and stop in text
        return Completion(
            request=row.request.id,
            text=text[: text.index(stop)] if cut else text,
            finish="stop" if row.ended or cut else "length",
            prompt_tokens=len(row.sent.tokens),
            completion_tokens=len(tokens),
            cached_tokens=row.cached,
            dropped=row.sent.dropped,
        )

    def _does_not_fit(self, request: Request) -> str:
        free, counters = max(free_gpu_memory().values(), default=free_main_memory()), len(counters_of(request))
        return (
            f"{self._plm.name} runs out of memory with a single prompt of {len(self._prompts.sent(request).tokens)} "
            f"tokens{f', {counters} more to debias it against,' if counters else ''} and {request.sampling.max_tokens} "
            f"to write ({gigabytes(free)} are free); ask for shorter texts, choose a smaller PLM, or set --set "
            f"serving.{self._plm.name}.dtype=bfloat16."
        )


def _rows(request: Request) -> int:
    return 1 + len(counters_of(request))
