"""The terms of every text that was ever read, put aside: a text is read only once, however often it is learnt from.

They lie in a temporary file that has no name and is gone with the process; in memory are a hash and a place a text.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthgen.aside import file_of, room_for
from synthgen.blocks import in_blocks
from synthgen.downstream.stm import IntArray
from synthgen.errors import SynthgenError
from synthgen.text import Pair

ENTRY = np.dtype([("term", np.uint32), ("count", np.float32)])
"""A term of a text, a 32-bit hash, and what it counts there."""

Read: TypeAlias = "tuple[IntArray, NDArray[np.void]]"
"""How many terms each text has, and the terms of one after the other, ascending within a text, as ``ENTRY``."""

_BLOCK = 4096
"""Texts that are read, and whose terms are looked at, together."""
_IN_MEMORY = 1 << 26
"""Bytes of terms up to which there is no file."""


class Terms:
    """``read`` says what the terms of texts are."""

    def __init__(self, read: Callable[[Sequence[str]], Read]) -> None:
        self._read = read
        self._begin()

    def _begin(self) -> None:
        self._file = file_of(self, _IN_MEMORY)
        self._ends: list[IntArray] = [np.zeros(1, dtype=np.int64)]
        self._index = _Index()

    def places(self, texts: Iterable[str]) -> IntArray:
        """Return the place (n,) of each text, under which its terms are found; texts are gone through once.

        Raises ``SynthgenError`` where there is no room for the terms.
        """
        found = [np.empty(0, dtype=np.int64)]
        for block in in_blocks(texts, _BLOCK):
            keys = np.array([_key(text) for text in block], dtype=np.uint64)
            places = self._index.places(keys)
            if (places < 0).any():
                firsts = np.unique(keys, return_index=True)[1]
                new = np.sort(firsts[places[firsts] < 0])
                self._index.add(keys[new], self._add([block[row] for row in new]))
                places = self._index.places(keys)
            found.append(places)
        return np.concatenate(found)

    def blocks(self, places: IntArray) -> Iterator[Read]:
        """Yield the terms of the texts at ``places``, some thousand texts at a time."""
        ends = self._all_ends()
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            # What was read one after the other lies side by side.
            cuts = [0, *(np.flatnonzero(np.diff(block) != 1) + 1).tolist(), len(block)]
            parts = [self._load(ends[block[a]], ends[block[b - 1] + 1]) for a, b in pairwise(cuts)]
            yield ends[block + 1] - ends[block], np.concatenate(parts)

    def sizes(self, places: IntArray) -> IntArray:
        """Return how many terms each of the texts at ``places`` has."""
        ends = self._all_ends()
        return np.asarray(ends[places + 1] - ends[places])

    def frequencies(self, places: IntArray) -> tuple[NDArray[np.uint32], IntArray]:
        """Return the terms of the texts at ``places``, ascending, and in how many of the texts each is."""
        terms, counts = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
        waiting: list[tuple[NDArray[np.uint32], IntArray]] = []
        for _, entries in self.blocks(places):
            waiting.append(np.unique(entries["term"], return_counts=True))
            # All are sorted anew only when there are twice as many.
            if sum(len(some) for some, _ in waiting) > max(len(terms), _IN_MEMORY // ENTRY.itemsize):
                terms, counts = _added_up([(terms, counts), *waiting])
                waiting = []
        return _added_up([(terms, counts), *waiting])

    def _add(self, texts: Sequence[str]) -> IntArray:
        lengths, entries = self._read(texts)
        try:
            with room_for("The terms of the texts"):
                self._file.seek(0, 2)
                self._file.write(entries.tobytes())
        except SynthgenError:
            # What was read before may be lost with it; it is read again where it is asked for.
            self._begin()
            raise
        ends = self._all_ends()
        self._ends.append(ends[-1] + np.cumsum(lengths))
        return np.arange(len(ends) - 1, len(ends) - 1 + len(texts))

    def _all_ends(self) -> IntArray:
        if len(self._ends) > 1:
            self._ends = [np.concatenate(self._ends)]
        return self._ends[0]

    def _load(self, first: int, last: int) -> NDArray[np.void]:
        self._file.seek(int(first) * ENTRY.itemsize)
        return np.frombuffer(self._file.read(int(last - first) * ENTRY.itemsize), dtype=ENTRY)


class _Index:
    """64-bit keys and their places: sorted runs, each twice as long as the next, so that adding n takes n log n."""

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], IntArray]] = []

    def places(self, keys: NDArray[np.uint64]) -> IntArray:
        """Return the place of each key, -1 for a new one."""
        found = np.full(len(keys), -1, dtype=np.int64)
        for known, places in self._runs:
            at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            hit = known[at] == keys
            found[hit] = places[at[hit]]
        return found

    def add(self, keys: NDArray[np.uint64], places: IntArray) -> None:
        """Add new keys."""
        self._runs.append((keys, places))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            one, other = self._runs.pop(), self._runs.pop()
            self._runs.append((np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])))
        keys, places = self._runs[-1]
        order = np.argsort(keys)
        self._runs[-1] = keys[order], places[order]


def _key(text: str) -> int:
    # Of a million texts two have the same 64 bits with a chance of three in a hundred million.
    sides = (text.text, text.text_pair) if isinstance(text, Pair) else (text,)
    first, *second = (side.encode("utf-8", "surrogatepass") for side in sides)
    salt = b"%d" % len(first) if second else b""
    return int.from_bytes(blake2b(first + b"".join(second), digest_size=8, salt=salt).digest(), "little")


def _added_up(parts: Sequence[tuple[NDArray[np.uint32], IntArray]]) -> tuple[NDArray[np.uint32], IntArray]:
    terms, places = np.unique(np.concatenate([some for some, _ in parts]), return_inverse=True)
    counts = np.bincount(places, np.concatenate([some for _, some in parts]), minlength=len(terms))
    return terms, counts.astype(np.int64)
