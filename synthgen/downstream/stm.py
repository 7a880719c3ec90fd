"""The seam every small task model passes: fix a common start, turn texts into features, fit, predict."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Features: TypeAlias = "csr_matrix | FloatArray"
"""One row a text, ``(n, d)``, sparse or dense. Rows are indexed with an integer array."""


class Fit(Protocol):
    """A trained STM: a classifier with ``C`` labels over features of one space."""

    @property
    def epoch_probabilities(self) -> FloatArray:
        """Probabilities of the training samples after each epoch, shape ``(epochs, n, C)``."""

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""


class STM(Protocol):
    """A small task model. All fits after one ``start`` share its feature space and its initial parameters."""

    name: str

    def start(self, texts: Sequence[str]) -> Features:
        """Fix the feature space on ``texts`` (their labels are not looked at) and return their features."""

    def features(self, texts: Sequence[str]) -> Features:
        """Return the features of other texts in the space of the last ``start``."""

    def fit(
        self,
        features: Features,
        labels: IntArray,
        weights: FloatArray | None = None,
        *,
        n_labels: int,
        short: bool = False,
    ) -> Fit:
        """Train from the common start on ``(n, d)`` features and ``(n,)`` label ids.

        ``weights`` (n,) are relative: only their ratios matter. ``short`` stops early, before noise is memorised.
        Deterministic: equal input, equal output.
        """
