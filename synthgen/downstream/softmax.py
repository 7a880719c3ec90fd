"""Weighted, L2-regularised softmax regression: loss, gradient and Hessian product, for sparse and dense features."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

from synthgen.downstream.stm import Features, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class SoftmaxLoss:
    """``L(T) = sum_i w_i CE(y_i, softmax(T [x_i, 1])) + l2/2 |T|^2`` over ``T`` of shape ``(C, d + 1)``, bias last.

    The bias is regularised too: this makes the Hessian positive definite although softmax ignores a shift common to
    all labels, and keeps the bias of a label that never occurs finite. ``weights`` (n,) are used as they are.
    """

    features: Features
    labels: IntArray
    weights: FloatArray
    n_labels: int
    l2: float

    @property
    def shape(self) -> tuple[int, int]:
        """The shape ``(C, d + 1)`` of the parameters."""
        return self.n_labels, self.features.shape[1] + 1

    def value_and_gradient(self, parameters: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and its gradient, shape ``(C, d + 1)``."""
        logs = log_softmax(scores(self.features, parameters), axis=1)
        rows = np.arange(len(self.labels))
        value = 0.5 * self.l2 * float(np.vdot(parameters, parameters)) - float(self.weights @ logs[rows, self.labels])
        slopes = np.exp(logs)
        slopes[rows, self.labels] -= 1.0
        return value, back(self.features, self.weights[:, None] * slopes) + self.l2 * parameters

    def hessian_product(self, probabilities: FloatArray, vector: FloatArray) -> FloatArray:
        """Return ``H @ vector``, shape ``(C, d + 1)``, at the parameters that give ``probabilities`` (n, C)."""
        moved = scores(self.features, vector)
        moved -= (probabilities * moved).sum(axis=1, keepdims=True)
        return back(self.features, self.weights[:, None] * probabilities * moved) + self.l2 * vector


def scores(features: Features, parameters: FloatArray) -> FloatArray:
    """Return the logits of ``(C, d + 1)`` parameters, shape ``(n, C)``."""
    return np.asarray(features @ parameters[:, :-1].T) + parameters[:, -1]


def back(features: Features, slopes: FloatArray) -> FloatArray:
    """Turn a loss's ``(n, C)`` slopes by the logits into its gradient by the parameters, shape ``(C, d + 1)``."""
    return np.concatenate([np.asarray(features.T @ slopes), slopes.sum(axis=0)[None]]).T


def probabilities(features: Features, parameters: FloatArray) -> FloatArray:
    """Return softmax probabilities, shape ``(n, C)``."""
    chances: FloatArray = softmax(scores(features, parameters), axis=1)
    return chances


def effective_weights(weights: FloatArray) -> FloatArray:
    """Scale weights to sum to Kish's effective sample size ``(sum w)^2 / sum w^2``; equal weights become 1.

    So the fixed L2 term sees neither a common factor of the weights nor samples of weight 0.
    """
    unit: FloatArray = weights / weights.max()
    scaled: FloatArray = unit * (unit.sum() / np.square(unit).sum())
    return scaled
