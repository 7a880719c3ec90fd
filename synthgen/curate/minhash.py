"""MinHash: the shingles of texts, their signatures, and the keys under which near duplicates meet."""

from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.grams import Numbers
from synthgen.seeds import derive_seed

Shingles = NDArray[np.uint32]
Keys = NDArray[np.uint32]

_PERMUTATIONS = 64
_SEED = 1
_SHINGLE = 2
_AT_ONCE = 1 << 12


def shingles_of(tokens: Sequence[str]) -> list[int]:
    """Return the CRC-32 of each different pair of words that follow one another, ascending; of one word, its own."""
    if len(tokens) < _SHINGLE:
        return [crc32(token.encode()) for token in tokens]
    return sorted({crc32(f"{first} {second}".encode()) for first, second in pairwise(tokens)})


def bands_of(threshold: float) -> tuple[int, int]:
    """Return (bands, rows), the most rows whose chance to miss a pair at the threshold is at most 1 %."""
    rows = np.arange(1, _PERMUTATIONS // 2 + 1)
    bands = _PERMUTATIONS // rows
    kept = rows[(1 - threshold**rows) ** bands <= 0.01]
    return _PERMUTATIONS // int(kept[-1]), int(kept[-1])


class Bands:
    """Makes the keys of texts: two texts have one in common where all rows of a band of their signatures agree.

    The signature is that of datasketch 2 (``MinHash(num_perm=64, seed=1, hashfunc=crc32)``): the least of a * h + b
    modulo 2**32 over the shingles' mixed hashes h, for 64 pairs of a and b.
    """

    def __init__(self, threshold: float) -> None:
        self.count, self.rows = bands_of(threshold)
        # NumPy promises that this generator will never draw other numbers.
        draw = np.random.RandomState(_SEED)
        odd = draw.randint(0, 1 << 31, _PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        shift = draw.randint(0, 1 << 32, _PERMUTATIONS, dtype=np.uint32)
        used = self.count * self.rows
        self._odd, self._shift = odd[:used, np.newaxis], shift[:used, np.newaxis]
        numbers = [derive_seed("band", number) for number in range(used + self.count)]
        drawn = np.array(numbers, dtype=np.uint64)
        self._factors, self._terms = drawn[:used].reshape(self.count, self.rows), drawn[used:]

    def keys(self, shingles: Shingles, starts: Numbers) -> Keys:
        """Return the keys (texts, bands) of texts whose shingles begin at ``starts``; each must have one.

        A key is a band and its rows, hashed to 32 bits (multiply-shift; Dietzfelbinger 1996): different bands agree
        with a chance of 2**-32, and then two texts are compared that need not be.
        """
        rows = self.signatures(shingles, starts).reshape(len(starts), self.count, self.rows).astype(np.uint64)
        hashed: NDArray[np.uint64] = (rows * self._factors).sum(axis=2) + self._terms
        return (hashed >> np.uint64(32)).astype(np.uint32)

    def signatures(self, shingles: Shingles, starts: Numbers) -> NDArray[np.uint32]:
        """Return as much of the signatures (texts, bands * rows) as the bands look at."""
        hashes = _mixed(shingles)
        edges = np.append(starts, len(shingles))
        found = np.empty((len(starts), len(self._odd)), dtype=np.uint32)
        begin = 0
        while begin < len(starts):
            end = max(int(np.searchsorted(edges, edges[begin] + _AT_ONCE, side="right")) - 1, begin + 1)
            own = hashes[edges[begin] : edges[end]] * self._odd + self._shift
            found[begin:end] = np.minimum.reduceat(own, edges[begin:end] - edges[begin], axis=1).T
            begin = end
        return found


def _mixed(hashes: Shingles) -> Shingles:
    """Return the numbers mixed bijectively (the finalizer of MurmurHash3; Appleby 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return hashes ^ (hashes >> np.uint32(16))
