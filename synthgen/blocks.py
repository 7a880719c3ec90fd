"""Long iterables, some of them at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` items, the last of as many as are left; an item is made when its list is asked for."""
    left = iter(items)
    while block := list(islice(left, size)):
        yield block
