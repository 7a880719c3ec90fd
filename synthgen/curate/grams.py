"""Numbers for the words of some texts and for the words that follow one another in them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_END = 1


@dataclass(frozen=True, slots=True)
class Lines:
    """Texts one after the other. Each ends with a 0, which is also the number of every unknown word.

    ids: (positions,) word numbers. starts, spans, lengths: (texts,) a text's first position, its positions (with the 0
    at its end), and its words. A text of one word has an end mark after the word, so that it too has a pair: one that
    no longer text has.
    """

    ids: Numbers
    starts: Numbers
    spans: Numbers
    lengths: Numbers

    def owners(self) -> Numbers:
        """Return the text (positions,) of each position."""
        return np.repeat(np.arange(len(self.spans)), self.spans)


class Pairs:
    """Numbers, from 1, for all pairs of numbers that stand ``apart`` positions from each other in ``ids``.

    Exact: the pair itself, as one integer, is looked up, and no hash of it.
    """

    def __init__(self, ids: Numbers, apart: int) -> None:
        self._apart = apart
        self._base = int(ids.max(initial=0)) + 1
        positions, keys = self._at(ids)
        order = np.argsort(keys)
        keys = keys[order]
        # Positions are below 2**31; this halves what a run of many samples takes.
        self._positions: NDArray[np.int32] = positions[order].astype(np.int32)
        # The pair with number n begins at the positions from edges[n - 1] to edges[n].
        edges = np.flatnonzero(np.diff(keys, prepend=-1))
        self._keys = keys[edges]
        self._edges = np.append(edges, len(keys)).astype(np.int32)
        self._total = len(ids)

    def __len__(self) -> int:
        """Return how many different pairs there are."""
        return len(self._keys)

    def own(self) -> Numbers:
        """Return the number (positions,) of the pair at each position of the ``ids`` this was made of."""
        found = np.zeros(self._total, dtype=np.int64)
        found[self._positions] = np.repeat(np.arange(1, len(self._keys) + 1), np.diff(self._edges))
        return found

    def places(self, numbers: Numbers) -> Numbers:
        """Return the positions of those ``ids`` where pairs with these numbers begin."""
        begins, ends = self._edges[numbers - 1].astype(np.int64), self._edges[numbers].astype(np.int64)
        return self._positions[ranges(begins, ends)].astype(np.int64)

    def find(self, ids: Numbers) -> Numbers:
        """Return the number (positions,) of the pair at each position of other ids, 0 for an unknown one."""
        found = np.zeros_like(ids)
        positions, keys = self._at(ids)
        if len(positions) and len(self._keys):
            numbers = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = self._keys[numbers] == keys
            found[positions[known]] = numbers[known] + 1
        return found

    def _at(self, ids: Numbers) -> tuple[Numbers, Numbers]:
        """Return the positions where both sides are known, and the pairs there."""
        positions = np.flatnonzero(ids[: -self._apart])
        seconds = ids[positions + self._apart]
        both = seconds > 0
        return positions[both], ids[positions[both]] * self._base + seconds[both]


class Grams:
    """Numbers for the words of ``texts`` and for their runs of words of 2, 4, 8, ... and of the ``sizes`` asked for.

    A run of 13 words is a pair of runs of 8, the second 5 words further on, and a run of 8 a pair of runs of 4; thus
    equal numbers are equal words, and a run that no text has gets the number 0.
    """

    def __init__(self, texts: Iterable[list[str]], sizes: Sequence[int]) -> None:
        numbers: defaultdict[str, int] = defaultdict(count(_END + 1).__next__)
        self.lines = _laid(texts, numbers.__getitem__)
        self._words = _Words(numbers)
        self._doubled: list[Pairs] = []
        self._sized: dict[int, Pairs] = {}
        ids, length = self.lines.ids, 1
        while 2 * length <= max(2, *sizes):
            self._doubled.append(Pairs(ids, length))
            ids, length = self._doubled[-1].own(), 2 * length
            self._sized |= {size: Pairs(ids, size - length) for size in sizes if length < size < 2 * length}

    def lay(self, texts: Iterable[list[str]]) -> Lines:
        """Number the words of other texts."""
        return _laid(texts, self._words.__getitem__)

    def doubled(self, lines: Lines) -> list[Numbers]:
        """Return the numbers (positions,) of the runs of 1, 2, 4, 8, ... words that begin at each position."""
        ids = [lines.ids]
        for pairs in self._doubled:
            ids.append(pairs.find(ids[-1]))
        return ids

    def sized(self, doubled: list[Numbers], size: int) -> Numbers:
        """Return the numbers (positions,) of the runs of ``size`` words that begin at each position."""
        ids = doubled[size.bit_length() - 1]
        return self._sized[size].find(ids) if size in self._sized else ids

    def own(self, size: int) -> Pairs:
        """Return the texts' own runs of ``size`` words; for 2 and the sizes asked for."""
        return self._sized[size] if size in self._sized else self._doubled[size.bit_length() - 2]


class _Words(dict[str, int]):
    def __missing__(self, word: str) -> int:
        return 0


def _laid(texts: Iterable[list[str]], number: Callable[[str], int]) -> Lines:
    flat: list[int] = []
    begins, lengths = [], []
    for text in texts:
        begins.append(len(flat))
        lengths.append(len(text))
        flat += map(number, text)
        flat += (_END, 0) if len(text) == 1 else (0,)
    starts = np.array(begins, dtype=np.int64)
    spans = np.diff(starts, append=len(flat))
    return Lines(np.array(flat, dtype=np.int64), starts, spans, np.array(lengths, dtype=np.int64))


def ranges(begins: Numbers, ends: Numbers) -> Numbers:
    """Return begin, begin + 1, ..., end - 1 of every range, one after the other."""
    lengths = ends - begins
    return np.repeat(ends - np.cumsum(lengths), lengths) + np.arange(lengths.sum())


def distinct(numbers: Numbers) -> Numbers:
    """Return the different numbers, ascending. Several times as fast as ``np.unique``, which hashes."""
    ordered = np.sort(numbers)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]
