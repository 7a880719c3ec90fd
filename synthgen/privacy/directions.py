"""Where the private samples of each label lie, released once: the noised sum of their embeddings.

If a record votes for every synthetic sample of its label, with their cosine as the weight, then the votes on all
samples there are or ever will be follow from one vector a label. So d numbers are released once, where votes for the
nearest are n numbers a round (docs/results.md has the comparison).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.privacy.clipping import UP, clipped, unit_sensitivity
from synthgen.privacy.parties import Records
from synthgen.privacy.smoothing import closeness
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import SCALE
from synthgen.records import Sample


class Directions:
    """One release for the whole run, with ``share`` of the budget: the sums of ``n_labels`` labels.

    A record is a whole-number row of length at most 4000 + sqrt(d)/2 (``quantised``), in one label: added or removed it
    moves the sums by that, replaced by twice that at most.
    """

    def __init__(self, vault: Vault, *, n_labels: int, share: float = 1.0) -> None:
        self._vault, self._n_labels = vault, n_labels
        self._length = (SCALE + math.sqrt(vault.dimensions) / 2) * UP
        length = self._length
        self.sensitivity = unit_sensitivity(vault.privacy, add=length, replace=2 * length, signed=True)
        self.sigma = vault.sigma(self.sensitivity, 1, share)

    def closeness(self, samples: Sequence[Sample], labels: IntArray) -> FloatArray:
        """Return (n,) how close each sample is to the private ones of its label: estimated sums of cosines.

        The release is made at the first call and recalled afterwards.
        """
        sums = self._vault.release_vector(
            0,
            "sums",
            self._by_party,
            sensitivity=self.sensitivity,
            sigma=self.sigma,
            detail={"labels": self._n_labels, "scale": SCALE},
        ).reshape(self._n_labels, -1)
        rows = self._vault.embedded(samples)
        scores = np.empty(len(samples))
        for label in range(self._n_labels):
            own = np.flatnonzero(labels == label)
            scores[own] = closeness(sums[label] / SCALE, self.sigma / SCALE, rows[own].over(SCALE))
        return scores

    def _by_party(self, records: Records) -> FloatArray:
        parts = []
        for party in range(records.n_parties):
            sums = np.zeros((self._n_labels, records.embeddings.shape[1]))
            mine = records.party == party
            np.add.at(sums, records.labels[mine], _no_longer(records.embeddings[mine], self._length))
            parts.append(clipped(sums.ravel(), self._vault.privacy, add=self._length))
        return np.stack(parts)


def _no_longer(rows: NDArray[np.float32], length: float) -> FloatArray:
    """Return whole-number rows (m, d) as they are, but for those longer than ``length``: shortened, towards zero.

    An embedder whose unit rows are a little too long must not break the promise.
    """
    whole = rows.astype(np.float64)
    norms = np.sqrt(np.square(whole).sum(axis=1, keepdims=True)) * UP
    return np.where(norms > length, np.trunc(whole * (length / np.maximum(norms, 1.0))), whole)
