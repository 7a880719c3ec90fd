"""Texts as sets of shingles, and which of them are similar."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.grams import Numbers, distinct, ranges
from synthgen.curate.index import blocks

Bits = NDArray[np.uint64]
Counts = NDArray[np.signedinteger[Any]]

_WORDS = 4


@dataclass(frozen=True, slots=True)
class Shingled:
    """Texts as sets of shingles.

    shingles: (total,) those of one text after those of the one before, ascending in each. sizes: (texts,). offsets:
    (texts + 1,) where a text's begin, and where all end. bits: (texts, 4) a sketch of 256 bits, each flipped as often
    as a shingle falls to it.
    """

    shingles: NDArray[np.uint32]
    sizes: NDArray[np.int32]
    offsets: Numbers
    bits: Bits

    def __len__(self) -> int:
        return len(self.bits)

    def of(self, rows: Numbers) -> NDArray[np.uint32]:
        """Return the shingles of the texts in ``rows``, one text after the other."""
        return self.shingles[ranges(self.offsets[rows], self.offsets[rows + 1])]


def shingled(texts: Sequence[list[int]]) -> Shingled:
    """Lay out texts by their ascending shingles."""
    flat = np.fromiter(chain.from_iterable(texts), dtype=np.uint32)
    sizes = np.array([len(text) for text in texts], dtype=np.int32)
    offsets = np.append(0, np.cumsum(sizes, dtype=np.int64))
    return Shingled(flat, sizes, offsets, _sketched(flat, offsets))


def _sketched(shingles: NDArray[np.uint32], offsets: Numbers) -> Bits:
    found = np.zeros((len(offsets) - 1, _WORDS), dtype=np.uint64)
    some = np.flatnonzero(offsets[1:] > offsets[:-1])
    if len(some):
        place = (shingles >> np.uint32(8)).astype(np.uint64)
        bit = np.uint64(1) << (place & np.uint64(63))
        word = (place >> np.uint64(6)) & np.uint64(_WORDS - 1)
        for at in range(_WORDS):
            found[some, at] = np.bitwise_xor.reduceat(np.where(word == at, bit, np.uint64(0)), offsets[some])
    return found


def similar(
    texts: Shingled, rows: Numbers, others: Shingled, other_rows: Numbers, threshold: float
) -> tuple[Numbers, Numbers]:
    """Return those pairs of a row of ``texts`` and one of ``others`` whose Jaccard similarity reaches the threshold.

    Each pair comes once. Most that do not reach it are told by their sizes and sketches alone: sets whose sketches
    differ in d bits differ in at least d shingles (Sandes, Teodoro & Melo 2020). The rest are counted.
    """
    sizes, other_sizes = texts.sizes.take(rows), others.sizes.take(other_rows)
    total = sizes + other_sizes
    # ``take`` and the sum by columns: several times as fast as an index and a sum by rows.
    differ = texts.bits.take(rows, axis=0) ^ others.bits.take(other_rows, axis=0)
    apart = sum(np.bitwise_count(differ).T.astype(np.int32))
    most = np.minimum((total - apart) // 2, np.minimum(sizes, other_sizes))
    likely = np.flatnonzero(_reaches(most, total, threshold))
    pairs = distinct(rows[likely] * (len(others) + 1) + other_rows[likely])
    rows, other_rows = np.divmod(pairs, len(others) + 1)
    keep = np.zeros(len(pairs), dtype=bool)
    if len(pairs):
        for part in blocks(others.sizes[other_rows].astype(np.int64)):
            shared, total = _counted(texts, rows[part], others, other_rows[part])
            keep[part] = _reaches(shared, total, threshold)
    return rows[keep], other_rows[keep]


def _counted(texts: Shingled, rows: Numbers, others: Shingled, other_rows: Numbers) -> tuple[Counts, Counts]:
    """Return how many shingles the pairs share, and how many the two have in all."""
    own, place = np.unique(rows, return_inverse=True)
    sizes, counts = texts.sizes[own], others.sizes[other_rows]
    held = _owned(np.arange(len(own)), sizes, texts.of(own))
    wanted = _owned(place, counts, others.of(other_rows))
    has = held[np.minimum(np.searchsorted(held, wanted), len(held) - 1)] == wanted
    return np.add.reduceat(has.astype(np.int64), np.cumsum(counts) - counts), sizes[place] + counts


def _owned(owners: Numbers, sizes: NDArray[np.int32], shingles: NDArray[np.uint32]) -> Bits:
    return (np.repeat(owners, sizes).astype(np.uint64) << np.uint64(32)) | shingles


def _reaches(shared: Counts, total: Counts, threshold: float) -> NDArray[np.bool_]:
    reached: NDArray[np.bool_] = shared / (total - shared) >= threshold
    return reached
