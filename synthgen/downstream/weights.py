"""Self-boosting weight adjustment (FuseGen): samples the STM gets wrong after a short training lose weight."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from synthgen.downstream.stm import Features, Fit, FloatArray, IntArray

STILL = 1e-3
"""Share of the weights' sum that may move before the STM is trained anew. On 6,000 recorded texts 7 to 9 of 30
trainings are left; the weights differ from those of all 30 by 0.1 % of their sum, accuracy by at most 0.05 points."""


class FitFunction(Protocol):
    """``STM.fit``."""

    def __call__(
        self,
        features: Features,
        labels: IntArray,
        weights: FloatArray | None = None,
        *,
        n_labels: int,
        short: bool,
    ) -> Fit:
        """See ``STM.fit``."""


def code_beta(samples: int, updates: int) -> float:
    """Return ``1 + sqrt(max(1, 2 ln(n/E)))``, what FuseGen's released code uses: 4.255 for 6000 samples, 30 updates."""
    return 1 + math.sqrt(max(1.0, 2 * math.log(samples / updates)))


def paper_beta(samples: int, updates: int) -> float:
    """Return ``1 + sqrt(2 ln(n) / E)``: 1.761 for 6000 samples, 30 updates.

    The paper writes the inverse, 0.568, as TrAdaBoost (Dai et al. 2007) does; here wrong samples are multiplied by
    ``beta ** -error`` under both conventions.
    """
    return 1 + math.sqrt(2 * math.log(samples) / updates)


def adjust_weights(
    fit: FitFunction,
    features: Features,
    labels: IntArray,
    *,
    n_labels: int,
    updates: int = 30,
    beta: Callable[[int, int], float] = code_beta,
    still: float = STILL,
) -> FloatArray:
    """Return weights (n,), mean 0.5, after ``updates`` short trainings from the common start on all samples.

    ``beta`` gives the base from (samples, updates). Each update applies ``boost`` with the probabilities the STM gives
    its own training samples; while less than the share ``still`` of their sum has moved, the last training stands.
    """
    weights = np.full(len(labels), 0.5)
    base = beta(len(labels), updates)
    trained_with, probabilities = np.zeros(len(labels)), np.empty((0, n_labels))
    for _ in range(updates):
        # The sum of the weights stays, so half of what differs is what has moved.
        if np.abs(weights - trained_with).sum() > 2 * still * weights.sum():
            trained = fit(features, labels, weights, n_labels=n_labels, short=True)
            probabilities, trained_with = trained.predict_proba(features), weights
        weights = boost(weights, probabilities, labels, base)
    return weights


def boost(weights: FloatArray, probabilities: FloatArray, labels: IntArray, beta: float) -> FloatArray:
    """Return weights after one update: wrong samples times ``beta ** -(1 - p(label))``, then each label's old sum.

    Wrong: another label is more probable. FuseGen restores the sum over all samples; restoring it label by label
    keeps that sum too, and stops a label from dying out: the weaker one gets ever less weight and ever more errors.
    """
    rows = np.arange(len(labels))
    wrong = probabilities.argmax(axis=1) != labels
    lowered = weights * np.where(wrong, beta ** (probabilities[rows, labels] - 1), 1.0)
    before, after = np.bincount(labels, weights), np.bincount(labels, lowered)
    share = np.divide(before, after, out=np.ones_like(before), where=after > 0)
    return lowered * share[labels]
