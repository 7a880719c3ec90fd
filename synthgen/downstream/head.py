"""The linear head of the convex STMs: softmax regression, taken to its optimum or, on request, only part of the way."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from synthgen.downstream.rows import SharedRows
from synthgen.downstream.softmax import SoftmaxLoss, back, effective_weights, probabilities, scores
from synthgen.downstream.stm import Features, FloatArray, IntArray, Lesson
from synthgen.downstream.watch import watch_epochs
from synthgen.spread import far, spread

SHORT_STEPS = 16
"""L-BFGS steps of a short training. Half as many leave the labels out of balance, more memorise wrong ones."""


class _Head:
    """What the ``parameters`` (C, d + 1), bias last, make of features."""

    parameters: Any

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""
        return probabilities(features, self.parameters)

    def pull(self, features: Features, slopes: FloatArray) -> FloatArray:
        """Return the gradient (C, d + 1) of a loss with ``slopes`` (n, C) by the logits; L2 is not in it."""
        return back(features, slopes)

    def push(self, features: Features, direction: FloatArray) -> FloatArray:
        """Return how the logits (n, C) change along ``direction`` (C, d + 1)."""
        return scores(features, direction)


@dataclass(frozen=True)
class HeadFit(_Head):
    """A trained head: the ``loss`` it minimises, and how many ``steps`` it goes at most. Trained when first asked.

    ``found`` are the parameters and epoch probabilities where they were found elsewhere.
    """

    loss: SoftmaxLoss
    steps: int
    found: tuple[FloatArray, FloatArray] | None = None

    @cached_property
    def parameters(self) -> FloatArray:
        """Weights and bias, shape (C, d + 1), bias last."""
        return self.found[0] if self.found else _descend(self.loss, self.steps)

    @property
    def epoch_probabilities(self) -> FloatArray:
        """Probabilities of the training samples after each epoch of ``watch_epochs``, shape ``(epochs, n, C)``.

        They tell how the samples are learned; the optimum itself is not among them. Found anew whenever asked for: they
        are as large as they take long.
        """
        if self.found:
            return self.found[1]
        loss = self.loss
        return watch_epochs(loss.features, loss.labels, loss.weights, n_labels=loss.n_labels)

    def linear(self) -> "tuple[HeadFit, Callable[[Features], Features]]":
        """Return this head, and features as they are."""
        return self, _as_they_are

    def settled(self) -> "TrainedHead":
        """Train by now and return the parameters alone."""
        return TrainedHead(self.parameters)


@dataclass(frozen=True)
class TrainedHead(_Head):
    """A head's ``parameters`` (C, d + 1), bias last, without the samples that it was trained on."""

    parameters: FloatArray

    @property
    def epoch_probabilities(self) -> FloatArray:
        """Raises ``RuntimeError``: they were those of the training samples."""
        raise RuntimeError("a trained head keeps no training samples; read epoch_probabilities before settled")

    def linear(self) -> tuple[HeadFit, Callable[[Features], Features]]:
        """Raises ``RuntimeError``: influence needs the training samples."""
        raise RuntimeError("a trained head keeps no training samples; measure influence before settled")

    def settled(self) -> "TrainedHead":
        """Return this head."""
        return self


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


class HeadSTM:
    """The trainings of an STM that is a linear head on fixed features: what the convex STMs share."""

    batched = False

    def fit(
        self,
        features: Features,
        labels: IntArray,
        weights: FloatArray | None = None,
        *,
        n_labels: int,
        short: bool = False,
    ) -> HeadFit:
        """Fit the head; see ``fit_head``."""
        return fit_head(features, labels, weights, n_labels=n_labels, short=short)

    def fit_each(self, lessons: Iterable[Lesson], *, n_labels: int) -> Iterator[HeadFit]:
        """Yield a head for each lesson; in a cluster they are trained there, else when they are first asked."""
        fits = [fit_head(features, labels, n_labels=n_labels) for features, labels in lessons]
        if not far():
            yield from fits
            return
        for fit, found in zip(fits, spread(_trained, fits), strict=True):
            yield replace(fit, found=found)


def _trained(fit: HeadFit) -> tuple[FloatArray, FloatArray]:
    return fit.parameters, fit.epoch_probabilities


def _descend(loss: SoftmaxLoss, steps: int) -> FloatArray:
    if isinstance(loss.features, SharedRows):
        loss = replace(loss, features=loss.features.at_hand())
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
