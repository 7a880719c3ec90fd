"""Best and worst samples as a file: JSON Lines and CSV with a line a sample, Markdown with a table a group."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.report.ranking import SampleGroup
from synthgen.report.samples_table import heading, scores_said, whole
from synthgen.report.wording import clean
from synthgen.runs.files import write_bytes

SUFFIXES = (".jsonl", ".csv", ".md")
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:])")


def check_suffix(path: Path) -> None:
    """Raise ``UserError`` where ``path`` does not say which kind of file it is to be."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {path} ends in none of {', '.join(SUFFIXES)}; its ending says what is written.")


def write_samples(path: Path, groups: Sequence[SampleGroup], notes: Sequence[str]) -> None:
    """Write ``path``, atomically, with the texts in full; ``notes`` are only in Markdown.

    Raises ``UserError`` as ``check_suffix`` does.
    """
    check_suffix(path)
    kind = path.suffix.lower()
    made = _markdown(groups, notes) if kind == ".md" else _csv(groups) if kind == ".csv" else _jsonl(groups)
    write_bytes(path, made.encode())


def _rows(groups: Sequence[SampleGroup]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for side, ranked in (("best", group["best"]), ("worst", group["worst"])):
            for rank, one in enumerate(ranked, start=1):
                sample = one["sample"]
                scores = {name: value for name, value in one.items() if name != "sample"}
                yield {
                    "plm": group["plm"], "label": group["label"], "side": side, "rank": rank,
                    "round": sample["round"], "id": sample["id"], **scores, "text": sample["text"],
                    **({"text_pair": sample["text_pair"]} if sample.get("text_pair") is not None else {}),
                }  # fmt: skip


def _jsonl(groups: Sequence[SampleGroup]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(groups))


def _csv(groups: Sequence[SampleGroup]) -> str:
    rows = list(_rows(groups))
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _markdown(groups: Sequence[SampleGroup], notes: Sequence[str]) -> str:
    parts = [_escaped(note) for note in notes]
    for group in groups:
        parts.append(f"## {_escaped(heading(group))}")
        ends = [(end, ranked) for end, ranked in (("best", group["best"]), ("worst", group["worst"])) if ranked]
        if not ends:
            continue
        rows = zip_longest(*(ranked for _, ranked in ends))
        lines = [[end for end, _ in ends], ["---"] * len(ends), *([_cell(one) for one in row] for row in rows)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _cell(one: Mapping[str, Any] | None) -> str:
    return "" if one is None else f"*{_escaped(scores_said(one))}*<br>{_escaped(whole(one))}"


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", clean(text))
