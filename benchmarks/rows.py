"""The rows that a benchmark hands over: one figure each, what it stands beside, and the ratio of the two.

A ratio is how many times better ours is than what it stands beside, both measured in turns in one run; below 1 it is
worse. A row without a ratio is a figure that nothing else has, or a limit.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SAID = ("stage", "what", "beside", "ratio")
"""What every row has; anything else in it is a figure, named by its unit: ``per_second``, ``seconds``, ``megabytes``.
"""


def row(
    stage: str, what: str, *, beside: str = "", ratio: float | None = None, **figures: float | str
) -> dict[str, Any]:
    """Return one row of the table."""
    return {"stage": stage, "what": what, **figures, "beside": beside, "ratio": ratio}


def write_rows(path: Path | None, rows: Iterable[dict[str, Any]]) -> None:
    """Print the rows a line each and, where ``path`` is given, write them there as a JSON list."""
    found = list(rows)
    for one in found:
        figures = ", ".join(f"{name} {one[name]}" for name in one if name not in SAID)
        ratio = "" if one["ratio"] is None else f"; {one['ratio']:.3g} x {one['beside']}"
        print(f"{one['stage']}: {one['what']}: {figures}{ratio}")
    if path is not None:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_rows(rows: object) -> list[dict[str, Any]]:
    """Return the rows of a part. Raises ``ValueError`` naming the first that is no row."""
    if not isinstance(rows, list) or not rows:
        raise ValueError("it handed over no rows")
    for one in rows:
        if not isinstance(one, dict) or not set(SAID) <= set(one):
            raise ValueError(f"no row of {', '.join(SAID)}: {one!r}")
        if not isinstance(one["ratio"], int | float | None):
            raise ValueError(f"a ratio is a number or null: {one!r}")  # noqa: TRY004
        if not set(one) - set(SAID):
            raise ValueError(f"a row without a figure: {one!r}")
    return rows
