"""A sample of rows that are too many to keep."""

from collections.abc import Iterable
from itertools import islice
from random import Random
from typing import TypeVar

Row = TypeVar("Row")
_READ = 1_000_000


def sampled(rows: Iterable[Row], limit: int | None) -> tuple[list[Row], bool]:
    """Return ``limit`` of the rows, all alike likely, and whether there were more; without a limit all of them.

    No more than ``limit`` rows are held (Vitter 1985, algorithm R), and the first million read. The same rows in the
    same order give the same sample. Where there are not more than ``limit``, they stay in order.
    """
    if limit is None:
        return [*rows], False
    kept: list[Row] = []
    draw, number = Random(0), 0
    for number, row in enumerate(islice(rows, _READ), start=1):
        if number <= limit:
            kept.append(row)
        elif (place := draw.randrange(number)) < limit:
            kept[place] = row
    return kept, number > limit
