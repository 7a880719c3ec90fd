"""Which texts are near duplicates of others, found exactly and without comparing all with all."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.grams import Grams, Lines, Numbers, distinct, ranges

_BLOCK = 1 << 20


class Similar:
    """Texts whose word pairs reach a Jaccard similarity of ``near`` with those of another text.

    A text of n pairs that reaches it with another shares at least near * n of them, so it shares one of any
    n - near * n + 1: its rarest are indexed (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). Texts that
    share one of these and are of fitting length are then counted pair by pair.
    """

    def __init__(self, grams: Grams, near: float) -> None:
        self._near = near
        self._base = len(grams.own(2)) + 1
        rows, pairs = np.divmod(self._sets(grams.lines, grams.own(2).own()), self._base)
        self._pairs = pairs
        self._sizes = np.bincount(rows, minlength=len(grams.lines.lengths))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._found = np.zeros(len(self._sizes), dtype=bool)
        order = np.lexsort((pairs, np.bincount(pairs, minlength=self._base)[pairs], rows))
        place = np.arange(len(rows)) - self._starts[rows]
        rarest = order[place < (self._sizes - _least(self._sizes, near) + 1)[rows]]
        # Sorted by pair, then size: those of one pair and of fitting size are one slice.
        self._span = int(self._sizes.max(initial=0)) + 1
        keys = pairs[rarest] * self._span + self._sizes[rows[rarest]]
        order = np.argsort(keys, kind="stable")
        self._indexed = np.zeros(self._base, dtype=bool)
        self._indexed[pairs[rarest]] = True
        self._keys, self._rows = keys[order], rows[rarest][order]

    def look(self, texts: Sequence[list[str]], lines: Lines, pairs: Numbers) -> None:
        """Compare with the words of others, laid out as ``lines``, whose ``pairs`` (positions,) are numbered."""
        known = self._sets(lines, pairs)
        others, own = np.divmod(known, self._base)
        counts = np.bincount(others, minlength=len(texts))
        low = np.minimum(np.floor(counts * self._near), self._span).astype(np.int64)
        high = np.minimum(np.ceil(counts / self._near), self._span - 1).astype(np.int64)
        worth = np.flatnonzero(self._indexed[own] & (low <= high)[others])
        others, own = others[worth], own[worth]
        begins = np.searchsorted(self._keys, own * self._span + low[others])
        ends = np.searchsorted(self._keys, own * self._span + high[others], side="right")
        some = np.flatnonzero(ends > begins)
        for block in _blocks((ends - begins)[some]):
            at = some[block]
            rows = self._rows[ranges(begins[at], ends[at])]
            found = distinct(np.repeat(others[at], (ends - begins)[at]) * len(self._sizes) + rows)
            candidates, rows = np.divmod(found, len(self._sizes))
            self._verify(texts, known, counts, candidates, rows)

    def found(self) -> Numbers:
        """Return the rows of the texts that have a near duplicate among the others, ascending."""
        return np.flatnonzero(self._found)

    def _sets(self, lines: Lines, pairs: Numbers) -> Numbers:
        """Return each text's different pairs as text * base + pair, ascending."""
        known = np.flatnonzero(pairs)
        return distinct(lines.owners()[known] * self._base + pairs[known])

    def _verify(
        self, texts: Sequence[list[str]], known: Numbers, counts: Numbers, others: Numbers, rows: Numbers
    ) -> None:
        """Compare ``others`` (n,) with ``rows`` (n,). ``counts`` are the others' known pairs, at most all they have."""
        fit = ~self._found[rows] & self._reaches(np.minimum(self._sizes[rows], counts[others]), rows, counts[others])
        others, rows = others[fit], rows[fit]
        for block in _blocks(self._sizes[rows]):
            other, row = others[block], rows[block]
            pairs = self._pairs[ranges(self._starts[row], self._starts[row] + self._sizes[row])]
            wanted = np.repeat(other, self._sizes[row]) * self._base + pairs
            has = known[np.minimum(np.searchsorted(known, wanted), len(known) - 1)] == wanted
            shared = np.add.reduceat(has.astype(np.int64), np.cumsum(self._sizes[row]) - self._sizes[row])
            likely = np.flatnonzero(self._reaches(shared, row, counts[other]))
            other, row, shared = other[likely], row[likely], shared[likely]
            total = {number: _count(texts[number]) for number in set(other.tolist())}
            full = np.array([total[number] for number in other.tolist()], dtype=np.int64)
            self._found[row[self._reaches(shared, row, full)]] = True

    def _reaches(self, shared: Numbers, rows: Numbers, counts: Numbers) -> NDArray[np.bool_]:
        """Return whether rows and others of so many pairs, of which so many are shared, are near duplicates."""
        similarity: NDArray[np.float64] = shared / (self._sizes[rows] + counts - shared)
        return similarity >= self._near


def _least(sizes: Numbers, near: float) -> Numbers:
    """Return the smallest number of shared pairs with which texts of these sizes can reach the threshold."""
    least: Numbers = np.maximum(np.ceil(near * sizes).astype(np.int64), 1)
    full = np.maximum(sizes, 1)
    least -= (least - 1) / full >= near
    least += least / full < near
    return least


def _count(tokens: list[str]) -> int:
    return len(set(pairwise(tokens))) or len(tokens)


def _blocks(costs: Numbers) -> Iterator[slice]:
    """Yield slices whose costs sum to about a block; the memory of what is compared at once has a bound."""
    if not len(costs):
        return
    cuts = np.flatnonzero(np.diff(np.cumsum(costs) // _BLOCK)) + 1
    edges = [0, *cuts.tolist(), len(costs)]
    yield from (slice(begin, end) for begin, end in pairwise(edges))
