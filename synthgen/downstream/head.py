"""The linear head of the convex STMs: softmax regression, taken to its optimum or, on request, only part of the way."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from synthgen.downstream.softmax import SoftmaxLoss, back, effective_weights, probabilities, scores
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.downstream.watch import watch_epochs

SHORT_STEPS = 16
"""L-BFGS steps of a short training. Half as many leave the labels out of balance, more memorise wrong ones."""


@dataclass(frozen=True)
class HeadFit:
    """A trained head: the ``loss`` it minimises, and how many ``steps`` it goes at most. Trained when first asked."""

    loss: SoftmaxLoss
    steps: int

    @cached_property
    def parameters(self) -> FloatArray:
        """Weights and bias, shape (C, d + 1), bias last."""
        return _descend(self.loss, self.steps)

    @cached_property
    def epoch_probabilities(self) -> FloatArray:
        """Probabilities of the training samples after each epoch of ``watch_epochs``, shape ``(epochs, n, C)``.

        They tell how the samples are learned; the optimum itself is not among them.
        """
        loss = self.loss
        return watch_epochs(loss.features, loss.labels, loss.weights, n_labels=loss.n_labels)

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""
        return probabilities(features, self.parameters)

    def pull(self, features: Features, slopes: FloatArray) -> FloatArray:
        """Return the gradient (C, d + 1) of a loss with ``slopes`` (n, C) by the logits; L2 is not in it."""
        return back(features, slopes)

    def push(self, features: Features, direction: FloatArray) -> FloatArray:
        """Return how the logits (n, C) change along ``direction`` (C, d + 1)."""
        return scores(features, direction)

    def linear(self) -> "tuple[HeadFit, Callable[[Features], Features]]":
        """Return this head, and features as they are."""
        return self, _as_they_are


def standardising(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the factor (d,) that standardise ``vectors`` (n, d) and divide them by ``sqrt(d)``.

    Rows become of length about 1, as the head's L2 expects.
    """
    spread = vectors.std(axis=0)
    # A dimension in which the vectors do not differ carries only rounding: it must not be blown up.
    flat = spread < 1e-6
    return vectors.mean(axis=0), np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread)) / np.sqrt(vectors.shape[1])


def _as_they_are(features: Features) -> Features:
    return features


def fit_head(
    features: Features,
    labels: IntArray,
    weights: FloatArray | None = None,
    *,
    n_labels: int,
    short: bool = False,
    l2: float = 1.0,
) -> HeadFit:
    """Minimise ``SoftmaxLoss`` by L-BFGS from zero; full batches, so no order and no seed enters.

    ``short`` stops after ``SHORT_STEPS`` steps. ``weights`` (n,) pass through ``effective_weights``. Labels that do not
    occur keep a small probability. Raises ``ValueError`` for no samples or weights that are negative or all zero.
    """
    relative = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    if features.shape[0] != len(labels) or len(relative) != len(labels):
        raise ValueError("features, labels and weights differ in length")
    if not len(labels) or relative.min() < 0 or relative.max() <= 0:
        raise ValueError("a fit needs samples, and weights of which none is negative and one is positive")
    loss = SoftmaxLoss(features, labels, effective_weights(relative), n_labels, l2)
    return HeadFit(loss, SHORT_STEPS if short else 1000)


def _descend(loss: SoftmaxLoss, steps: int) -> FloatArray:
    scale = 1.0 / loss.weights.sum()
    mean = scale * np.asarray(loss.features.T @ loss.weights)

    # The search runs over (W, b + W mean): on centred features the bias and the frequent words stop fighting,
    # which otherwise throws the second epoch back to chance. The loss itself stays as it is.
    def place(flat: FloatArray) -> FloatArray:
        parameters = flat.reshape(loss.shape).copy()
        parameters[:, -1] -= parameters[:, :-1] @ mean
        return parameters

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = loss.value_and_gradient(place(flat))
        gradient[:, :-1] -= np.outer(gradient[:, -1], mean)
        return scale * value, scale * gradient.ravel()

    flat, _, _ = fmin_l_bfgs_b(
        objective,
        np.zeros(loss.shape).ravel(),
        maxiter=steps,
        pgtol=1e-7,
        factr=10.0,
    )
    return place(flat)
