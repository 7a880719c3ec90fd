"""Weighted, L2-regularised softmax regression: loss, gradient and Hessian product, for sparse and dense features."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthgen.downstream.stm import Features, FloatArray, IntArray

_SHORT = 8
"""From as many numbers on numpy adds them up in another order than one after the other."""
_BLOCK = 4096


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
        slopes = scores(self.features, parameters)
        logs = np.empty(len(slopes))
        for rows in _blocks(len(slopes)):
            own, labels = log_softmax_rows(slopes[rows]), self.labels[rows]
            places = np.arange(len(labels))
            logs[rows] = own[places, labels]
            np.exp(own, out=own)
            own[places, labels] -= 1.0
            np.multiply(self.weights[rows, None], own, out=slopes[rows])
        value = 0.5 * self.l2 * float(np.vdot(parameters, parameters)) - float(self.weights @ logs)
        return value, back(self.features, slopes) + self.l2 * parameters

    def hessian_product(self, probabilities: FloatArray, vector: FloatArray) -> FloatArray:
        """Return ``H @ vector``, shape ``(C, d + 1)``, at the parameters that give ``probabilities`` (n, C)."""
        moved = scores(self.features, vector)
        moved -= (probabilities * moved).sum(axis=1, keepdims=True)
        return back(self.features, self.weights[:, None] * probabilities * moved) + self.l2 * vector


def scores(features: Features, parameters: FloatArray) -> FloatArray:
    """Return the logits of ``(C, d + 1)`` parameters, shape ``(n, C)``."""
    found = np.asarray(features @ parameters[:, :-1].T)
    found += parameters[:, -1]
    return found


def back(features: Features, slopes: FloatArray) -> FloatArray:
    """Turn a loss's ``(n, C)`` slopes by the logits into its gradient by the parameters, shape ``(C, d + 1)``."""
    return np.concatenate([np.asarray(features.T @ slopes), slopes.sum(axis=0)[None]]).T


def probabilities(features: Features, parameters: FloatArray) -> FloatArray:
    """Return softmax probabilities, shape ``(n, C)``."""
    return softmax_rows(scores(features, parameters))


def softmax_rows(logits: FloatArray) -> FloatArray:
    """Return the softmax of each row (n, C), to the bit that of ``scipy.special``."""
    found = np.empty(logits.shape)
    for rows in _blocks(len(logits)):
        powers = np.exp(logits[rows] - _across(np.maximum, logits[rows]))
        np.divide(powers, _across(np.add, powers), out=found[rows])
    return found


def log_softmax_rows(logits: FloatArray) -> FloatArray:
    """Return the logarithm of the softmax of each row (n, C), to the bit that of ``scipy.special``."""
    shifted: FloatArray = logits - _across(np.maximum, logits)
    shifted -= np.log(_across(np.add, np.exp(shifted)))
    return shifted


def _blocks(count: int) -> Iterator[slice]:
    """Yield rows whose numbers stay in the processor's cache, until there are ``count``."""
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


def _across(combine: np.ufunc, values: FloatArray) -> FloatArray:
    """Return ``combine.reduce`` of each row (n, 1), which numpy is slow at for rows this short."""
    if values.shape[1] >= _SHORT:
        return np.asarray(combine.reduce(values, axis=1, keepdims=True))
    found = values[:, :1].copy()
    for label in range(1, values.shape[1]):
        combine(found, values[:, label : label + 1], out=found)
    return found


def effective_weights(weights: FloatArray) -> FloatArray:
    """Scale weights to sum to Kish's effective sample size ``(sum w)^2 / sum w^2``; equal weights become 1.

    So the fixed L2 term sees neither a common factor of the weights nor samples of weight 0.
    """
    unit: FloatArray = weights / weights.max()
    scaled: FloatArray = unit * (unit.sum() / np.square(unit).sum())
    return scaled
