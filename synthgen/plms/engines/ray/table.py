"""Requests and completions as Arrow tables: one row a batch, the unit of replay."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from synthgen.prompt import Prompt
from synthgen.records import Completion, Request, Sampling

_PROMPT = pa.struct([("text", pa.string()), ("spans", pa.list_(pa.list_(pa.int32())))])
_SAMPLING = pa.struct(
    [
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("max_tokens", pa.int64()),
        ("stop", pa.string()),
        ("debias", pa.float64()),
    ]
)
_REQUEST = pa.struct(
    [
        ("id", pa.string()),
        ("plm", pa.string()),
        ("round", pa.int32()),
        ("label", pa.string()),
        ("prompt", pa.int32()),
        ("seed", pa.uint64()),
        ("sampling", _SAMPLING),
        ("counters", pa.list_(pa.int32())),
    ]
)
_COMPLETION = pa.struct(
    [
        ("request", pa.string()),
        ("text", pa.string()),
        ("finish", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("dropped", pa.int64()),
    ]
)
ASKED = pa.schema([("number", pa.int64()), ("prompts", pa.list_(_PROMPT)), ("requests", pa.list_(_REQUEST))])
"""``number`` counts the batches of one table; requests name their prompts by the position in the batch's ``prompts``,
for those of one batch are mostly the same.
"""
ANSWERED = pa.schema(
    [
        ("completions", pa.list_(_COMPLETION)),
        ("notes", pa.list_(pa.string())),
        ("refused", pa.string()),
        ("failed", pa.string()),
    ]
)
"""``notes`` are for the user; ``refused`` (the user's mistake) and ``failed`` say why there are no completions."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one batch."""

    completions: Sequence[Completion] = ()
    notes: Sequence[str] = ()
    refused: str | None = None
    failed: str | None = None


def asked(batches: Sequence[Sequence[Request]], start: int = 0) -> pa.Table:
    """Return a table of batches, numbered from ``start``."""
    rows = [_row(start + place, batch) for place, batch in enumerate(batches)]
    return pa.Table.from_pylist(rows, schema=ASKED)


def batches_of(table: pa.Table) -> Iterator[tuple[int, list[Request]]]:
    """Yield the numbers and requests of a table's batches. Prompts keep what engines read of them: text and spans."""
    for row in table.to_pylist():
        prompts = [Prompt(one["text"], [(start, end) for start, end in one["spans"]]) for one in row["prompts"]]
        yield row["number"], [_request(one, prompts) for one in row["requests"]]


def answered(answers: Sequence[Answer]) -> pa.Table:
    """Return a table of answers."""
    return pa.Table.from_pylist([asdict(answer) for answer in answers], schema=ANSWERED)


def answers_of(table: pa.Table) -> Iterator[Answer]:
    """Yield the answers of a table."""
    for row in table.to_pylist():
        completions = [Completion(**completion) for completion in row.pop("completions")]
        yield Answer(completions, **row)


def _row(number: int, batch: Sequence[Request]) -> dict[str, Any]:
    places: dict[tuple[str, tuple[tuple[int, int], ...]], int] = {}

    def place(prompt: str) -> int:
        return places.setdefault((prompt, prompt.spans if isinstance(prompt, Prompt) else ()), len(places))

    requests = [
        {
            **{name: getattr(request, name) for name in ("id", "plm", "round", "label", "seed")},
            "prompt": place(request.prompt),
            "sampling": {name: getattr(request.sampling, name) for name in Sampling.__slots__},
            "counters": [place(counter) for counter in request.counters],
        }
        for request in batch
    ]
    prompts = [{"text": str(text), "spans": [list(span) for span in spans]} for text, spans in places]
    return {"number": number, "prompts": prompts, "requests": requests}


def _request(row: dict[str, Any], prompts: Sequence[Prompt]) -> Request:
    sampling, counters = Sampling(**row.pop("sampling")), tuple(prompts[place] for place in row.pop("counters"))
    return Request(**{**row, "prompt": prompts[row["prompt"]]}, sampling=sampling, counters=counters)
