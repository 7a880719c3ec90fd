"""How numbers and other people's strings are worded in every report."""

import re
import unicodedata
from collections.abc import Sequence

ABSENT = "–"
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:])")
_JOINERS = "\u200c\u200d"


def clean(value: object) -> str:
    """Return ``value`` on one line, without control, direction-changing or unencodable characters.

    What a PLM wrote may carry terminal escapes or bidirectional overrides; joiners that scripts need are kept.
    """
    kept = (char if char in _JOINERS or unicodedata.category(char)[0] != "C" else " " for char in str(value))
    return " ".join("".join(kept).split())


def shorten(value: object, width: int) -> str:
    """Return ``value`` cleaned and, where longer than ``width`` characters, cut in its middle."""
    text = clean(value)
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage with two decimals, as the papers print accuracy."""
    return ABSENT if share is None else f"{100 * share:.2f}"


def count(number: float | None) -> str:
    """Return a whole number with thousands separators."""
    return ABSENT if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """Return seconds as ``4.2 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    if seconds is None:
        return ABSENT
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def markdown(value: object) -> str:
    """Return ``value`` cleaned and escaped: in Markdown it reads as it is, and links, marks and tags nothing."""
    return _MARKS.sub(r"\\\1", clean(value))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of escaped cells, None as a dash; an empty string where there are no rows."""
    if not rows:
        return ""
    lines = [
        [markdown(name) for name in head],
        ["---"] * len(head),
        *([ABSENT if cell is None else markdown(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
