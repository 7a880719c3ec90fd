"""Watch a linear head learn: its probabilities after each epoch of stochastic gradient descent from zero.

The optimum of a convex head is found by better means (``head.py``), but on the way there full-batch methods pass
through no epochs worth the name: after a few steps hardly a sample moves. Single epochs over small batches show which
samples are learned at once, which go to and fro, and which never.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy.sparse import csr_matrix

from synthgen.downstream.rows import SharedRows, shared
from synthgen.downstream.softmax import softmax_rows
from synthgen.downstream.stm import Features, FloatArray, IntArray

EPOCHS = 6
BATCH = 16
RATE = 3.0
"""For rows of unit length. At 1 the samples only drift away from 1/C, at 10 the last batch decides."""
BIAS_RATE = 0.1 * RATE
"""The bias is in every sample: at the full rate it swings with the labels of the last batches, and the map shows the
swing, one stripe a label, in place of the samples."""

_TOGETHER = 4096
"""Rows times labels whose entries are gathered at once."""
_MANY = 12
"""From as many labels on a product of matrices pays for the making of them."""


def watch_epochs(features: Features, labels: IntArray, weights: FloatArray, *, n_labels: int) -> FloatArray:
    """Return the probabilities of all samples after each epoch, shape ``(EPOCHS, n, C)``.

    Deterministic: the order of the samples is drawn from a fixed seed. ``weights`` (n,) are relative.
    """
    learner = _learner(features, n_labels)
    relative, onehot = weights / weights.mean(), np.eye(n_labels)
    draw = np.random.default_rng(0)
    seen = np.empty((EPOCHS, len(labels), n_labels))
    stretch = BATCH * max(1, _TOGETHER // (BATCH * n_labels))
    for epoch in range(EPOCHS):
        order = _spread(draw.permutation(len(labels)), labels)
        for start in range(0, len(order), stretch):
            rows = order[start : start + stretch]
            learner.learn(rows, onehot[labels[rows]], relative[rows])
        seen[epoch] = softmax_rows(features @ learner.parameters + learner.bias)
    return seen


class _Learner(ABC):
    """``parameters`` (d, C) and ``bias`` (C,)."""

    def __init__(self, width: int, n_labels: int) -> None:
        self.parameters, self.bias = np.zeros((width, n_labels)), np.zeros(n_labels)

    @abstractmethod
    def learn(self, rows: IntArray, truth: FloatArray, weights: FloatArray) -> None:
        """Take a step a batch of the rows (n,), of which ``truth`` (n, C) has a 1 at the label."""

    def _slopes(self, scores: FloatArray, truth: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the slopes (batch, C) of the batch's mean loss by the logits."""
        scores += self.bias
        slopes = softmax_rows(scores)
        slopes -= truth
        slopes *= (weights / len(weights))[:, None]
        return slopes


class _Dense(_Learner):
    def __init__(self, features: FloatArray, n_labels: int) -> None:
        super().__init__(features.shape[1], n_labels)
        self._features = features

    def learn(self, rows: IntArray, truth: FloatArray, weights: FloatArray) -> None:
        features = self._features[rows]
        for start in range(0, len(rows), BATCH):
            batch = features[start : start + BATCH]
            slopes = self._slopes(batch @ self.parameters, truth[start : start + BATCH], weights[start : start + BATCH])
            self.parameters -= RATE * (batch.T @ slopes)
            self.bias -= BIAS_RATE * slopes.sum(axis=0)


class _Sparse(_Learner):
    """Numbers are gathered by hand: for a few hundred of them, making a matrix takes longer than multiplying it."""

    def __init__(self, features: SharedRows, n_labels: int) -> None:
        super().__init__(features.shape[1], n_labels)
        self._features = features
        self._sums = np.zeros(self.parameters.size)

    def learn(self, rows: IntArray, truth: FloatArray, weights: FloatArray) -> None:
        # Every sum is over the same numbers in the same order as those of a product.
        entries, (n_rows, n_labels) = self._features[rows].csr(), truth.shape
        span = np.arange(n_labels)
        # Where each entry's numbers are in the parameters, and where in the logits of its batch.
        places = (entries.indices.astype(np.int64)[:, None] * n_labels + span).ravel()
        owner = np.repeat(np.arange(n_rows) % BATCH, np.diff(entries.indptr))
        targets = (owner[:, None] * n_labels + span).ravel()
        values = np.repeat(entries.data, n_labels)
        ends = entries.indptr.astype(np.int64) * n_labels
        parameters, sums = self.parameters.reshape(-1), self._sums
        for start in range(0, n_rows, BATCH):
            stop = min(start + BATCH, n_rows)
            own = slice(ends[start], ends[stop])
            place, target, value = places[own], targets[own], values[own]
            held = parameters.take(place)
            scores = np.zeros((stop - start, n_labels))
            np.add.at(scores.reshape(-1), target, held * value)
            slopes = self._slopes(scores, truth[start:stop], weights[start:stop])
            np.add.at(sums, place, slopes.take(target) * value)
            # A column that occurs twice in the batch is written twice, with the same number.
            held -= RATE * sums.take(place)
            parameters[place] = held
            sums[place] = np.zeros(len(place))
            self.bias -= BIAS_RATE * slopes.sum(axis=0)


class _ByMatrix(_Learner):
    def __init__(self, features: SharedRows, n_labels: int) -> None:
        super().__init__(features.shape[1], n_labels)
        self._features = features

    def learn(self, rows: IntArray, truth: FloatArray, weights: FloatArray) -> None:
        entries = self._features[rows].csr()
        for start in range(0, len(truth), BATCH):
            stop = min(start + BATCH, len(truth))
            first, last = entries.indptr[start], entries.indptr[stop]
            columns, places = np.unique(entries.indices[first:last], return_inverse=True)
            shape = (stop - start, len(columns))
            batch = csr_matrix(
                (entries.data[first:last], places, entries.indptr[start : stop + 1] - first), shape=shape
            )
            slopes = self._slopes(batch @ self.parameters[columns], truth[start:stop], weights[start:stop])
            self.parameters[columns] -= RATE * (batch.T @ slopes)
            self.bias -= BIAS_RATE * slopes.sum(axis=0)


def _learner(features: Features, n_labels: int) -> _Learner:
    if isinstance(features, np.ndarray):
        return _Dense(features, n_labels)
    return (_Sparse if n_labels < _MANY else _ByMatrix)(shared(features), n_labels)


def _spread(order: IntArray, labels: IntArray) -> IntArray:
    """Return ``order`` with every label spread evenly over it, so that each batch has about the shares of the whole."""
    places = np.empty(len(order))
    for label in np.unique(labels):
        own = labels[order] == label
        places[own] = (np.arange(own.sum()) + 0.5) / own.sum()
    return np.asarray(order[np.argsort(places, kind="stable")])
