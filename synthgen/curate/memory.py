"""All texts a run has accepted, to find exact and near duplicates."""

from itertools import pairwise
from zlib import crc32

import numpy as np
from datasketch import MinHash, MinHashLSH

from synthgen.curate.reasons import Reason
from synthgen.errors import UserError

_PERMUTATIONS = 64
_SHINGLE = 2


class Memory:
    """Accepted texts; two are near duplicates where the Jaccard similarity of their word pairs reaches a threshold.

    Candidates come from MinHash LSH, which finds 99 % of pairs at the threshold and more above; each is then compared
    exactly, so nothing below the threshold is ever called a duplicate. Raises ``UserError`` for a threshold outside
    0.3 to 1.
    """

    def __init__(self, near_duplicate: float) -> None:
        if not 0.3 <= near_duplicate <= 1:
            raise UserError(f"The near-duplicate threshold is {near_duplicate}; it must be between 0.3 and 1.")
        self._threshold = near_duplicate
        self._labels: dict[str, str] = {}
        self._shingles: list[frozenset[int]] = []
        self._blank = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=crc32)
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, params=_bands(near_duplicate))

    def find(self, tokens: list[str], label: str) -> Reason | None:
        """Return duplicate, two_labels (the same words under another label) or near_duplicate, or None."""
        first = self._labels.get(" ".join(tokens))
        if first is not None:
            return Reason.DUPLICATE if first == label else Reason.TWO_LABELS
        shingles = _shingles(tokens)
        candidates = self._index.query(self._signature(shingles)) if shingles else []
        near = any(_jaccard(shingles, self._shingles[at]) >= self._threshold for at in candidates)
        return Reason.NEAR_DUPLICATE if near else None

    def add(self, tokens: list[str], label: str) -> None:
        """Remember the words of an accepted text; of equal texts the first keeps its label."""
        key = " ".join(tokens)
        if key in self._labels:
            return
        self._labels[key] = label
        shingles = _shingles(tokens)
        if shingles:
            self._index.insert(len(self._shingles), self._signature(shingles), check_duplication=False)
            self._shingles.append(shingles)

    def _signature(self, shingles: frozenset[int]) -> MinHash:
        signature = self._blank.copy()
        signature.update_batch([shingle.to_bytes(4, "big") for shingle in shingles])
        return signature


def _shingles(tokens: list[str]) -> frozenset[int]:
    pairs = pairwise(tokens) if len(tokens) >= _SHINGLE else ((token,) for token in tokens)
    return frozenset(crc32(" ".join(pair).encode()) for pair in pairs)


def _jaccard(left: frozenset[int], right: frozenset[int]) -> float:
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


def _bands(threshold: float) -> tuple[int, int]:
    """Return (bands, rows), the most rows whose chance to miss a pair at the threshold is at most 1 %."""
    rows = np.arange(1, _PERMUTATIONS // 2 + 1)
    bands = _PERMUTATIONS // rows
    kept = rows[(1 - threshold**rows) ** bands <= 0.01]
    return _PERMUTATIONS // int(kept[-1]), int(kept[-1])
