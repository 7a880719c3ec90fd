"""Which rows have a key: sorted arrays, a few, each several times as long as the one before."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.grams import Numbers, ranges

Keys = NDArray[np.uint32]
Entries = NDArray[np.uint64]

_ROW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)
_FIRST, _GROWTH = 1024, 8
_BLOCK = 1 << 19


class Index:
    """Pairs of a key and a row, eight bytes each, to find the rows of a key.

    A pair is one number, the key in its upper half. New pairs are sorted into the shortest run; a run that has grown
    too long is sorted into the next (a log-structured merge; O'Neil et al. 1996). So to add a pair and to look for a
    key take the logarithm of what is held.
    """

    def __init__(self) -> None:
        self._runs: list[Entries] = []

    def add(self, entries: Entries) -> None:
        """Add what ``entries_of`` made."""
        for level, run in enumerate(self._runs):
            # In place: of the longest run there is never a second one.
            run.resize(len(run) + len(entries), refcheck=False)
            run[len(run) - len(entries) :] = entries
            run.sort()
            if len(run) <= _FIRST * _GROWTH**level:
                return
            self._runs[level], entries = np.empty(0, dtype=np.uint64), run
        self._runs.append(np.sort(entries))

    def since(self, row: int) -> Entries:
        """Return all entries of rows from ``row`` on, which count from 0 there."""
        found = [run[(run & _ROW) >= np.uint64(row)] for run in self._runs]
        return np.concatenate([np.empty(0, dtype=np.uint64), *found]) - np.uint64(row)

    def find(self, keys: Keys) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield pairs (positions, rows), a bounded number at a time: the row has the key (n,) at that position."""
        order = np.argsort(keys)
        for run in self._runs:
            for positions, rows in matches(run, keys[order]):
                yield order[positions], rows


def entries_of(keys: Keys, rows: Numbers) -> Entries:
    """Return one number a key (n,) and row (n,)."""
    return (keys.astype(np.uint64) << _HIGH) | rows.astype(np.uint64)


def matches(run: Entries, keys: Keys) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield pairs (positions, rows) as ``Index.find`` does, from sorted entries; ascending keys are found fastest."""
    if not len(run):
        return
    wanted = keys.astype(np.uint64) << _HIGH
    begins = np.searchsorted(run, wanted)
    hits = np.flatnonzero(run[np.minimum(begins, len(run) - 1)] >> _HIGH == keys)
    hits = hits[begins[hits] < len(run)]
    if not len(hits):
        return
    begins, ends = begins[hits], np.searchsorted(run, wanted[hits] | _ROW, side="right")
    for part in blocks(ends - begins):
        rows = (run[ranges(begins[part], ends[part])] & _ROW).astype(np.int64)
        yield np.repeat(hits[part], (ends - begins)[part]), rows


def blocks(costs: Numbers) -> Iterator[slice]:
    """Yield slices whose costs sum to about a block; what is compared at once has a bound."""
    cuts = np.flatnonzero(np.diff(np.cumsum(costs) // _BLOCK)) + 1
    edges = [0, *cuts.tolist(), len(costs)]
    yield from (slice(begin, end) for begin, end in pairwise(edges))
