"""The seam every small task model passes: fix a common start, turn texts into features, fit, predict."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from synthgen.downstream.head import HeadFit
    from synthgen.downstream.rows import SharedRows

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Features: TypeAlias = "csr_matrix | SharedRows | FloatArray"
"""One row a text, ``(n, d)``, sparse or dense. Rows are indexed with an integer array."""
Lesson: TypeAlias = "tuple[Features, IntArray]"
"""What a fit learns from: features ``(n, d)`` and label ids ``(n,)``."""


class Fit(Protocol):
    """A trained STM: a classifier with ``C`` labels over features of one space."""

    @property
    def epoch_probabilities(self) -> FloatArray:
        """Probabilities of the training samples after each epoch, shape ``(epochs, n, C)``."""

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""

    def pull(self, features: Features, slopes: FloatArray) -> Any:
        """Return the gradient by the parameters of a loss whose slopes by the logits are ``slopes`` (n, C).

        A direction in the space of the parameters, for ``push``. Nothing random (dropout) takes part.
        """

    def push(self, features: Features, direction: Any) -> FloatArray:
        """Return how the logits change along ``direction``, ``(n, C)``: a Jacobian-vector product."""

    def linear(self) -> "tuple[HeadFit, Callable[[Features], Features]]":
        """Return a converged linear head and what turns features into its own.

        A convex STM is its own head. Of a fine-tuned one it is the last layer, refitted on what the layers below make
        of the training samples: influence is exact for that.
        """

    def settled(self) -> "Fit":
        """Train by now, where that has not been, and return a fit that predicts without what it was trained on.

        Of it ``epoch_probabilities`` and ``linear`` may raise ``RuntimeError``.
        """


class STM(Protocol):
    """A small task model. All fits after one ``start`` share its feature space and its initial parameters."""

    name: str
    batched: bool
    """Whether the last bits of a text's features depend on the texts that were new together with it."""

    def start(self, texts: Sequence[str]) -> Features:
        """Fix the feature space on ``texts`` (their labels are not looked at) and return their features.

        Texts may be made when asked for: they are gone through a few times, and none need be kept.
        """

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

    def fit_each(self, lessons: Iterable[Lesson], *, n_labels: int) -> Iterator[Fit]:
        """Yield what ``fit`` makes of each lesson, every sample counting the same.

        Where a run works with a cluster they are trained there, side by side (``synthgen.spread``).
        """
