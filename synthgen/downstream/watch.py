"""Watch a linear head learn: its probabilities after each epoch of stochastic gradient descent from zero.

The optimum of a convex head is found by better means (``head.py``), but on the way there full-batch methods pass
through no epochs worth the name: after a few steps hardly a sample moves. Single epochs over small batches show which
samples are learned at once, which go to and fro, and which never.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from scipy.special import softmax

from synthgen.downstream.stm import Features, FloatArray, IntArray

EPOCHS = 6
BATCH = 16
RATE = 3.0
"""For rows of unit length. At 1 the samples only drift away from 1/C, at 10 the last batch decides."""
BIAS_RATE = 0.1 * RATE
"""The bias is in every sample: at the full rate it swings with the labels of the last batches, and the map shows the
swing, one stripe a label, in place of the samples."""


def watch_epochs(features: Features, labels: IntArray, weights: FloatArray, *, n_labels: int) -> FloatArray:
    """Return the probabilities of all samples after each epoch, shape ``(EPOCHS, n, C)``.

    Deterministic: the order of the samples is drawn from a fixed seed. ``weights`` (n,) are relative.
    """
    parameters, bias = np.zeros((features.shape[1], n_labels)), np.zeros(n_labels)
    relative = weights / weights.mean()
    draw = np.random.default_rng(0)
    seen = np.empty((EPOCHS, len(labels), n_labels))
    for epoch in range(EPOCHS):
        order = _spread(draw.permutation(len(labels)), labels)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch, columns = _narrow(features[rows])
            slopes = softmax(batch @ parameters[columns] + bias, axis=1)
            slopes[np.arange(len(rows)), labels[rows]] -= 1.0
            slopes *= relative[rows, None] / len(rows)
            parameters[columns] -= RATE * (batch.T @ slopes)
            bias -= BIAS_RATE * slopes.sum(axis=0)
        seen[epoch] = softmax(features @ parameters + bias, axis=1)
    return seen


def _spread(order: IntArray, labels: IntArray) -> IntArray:
    """Return ``order`` with every label spread evenly over it, so that each batch has about the shares of the whole."""
    places = np.empty(len(order))
    for label in np.unique(labels):
        own = labels[order] == label
        places[own] = (np.arange(own.sum()) + 0.5) / own.sum()
    return np.asarray(order[np.argsort(places, kind="stable")])


def _narrow(batch: Features) -> tuple[Features, NDArray[np.integer[Any]] | slice]:
    """Return the batch over only the columns that occur in it, and those columns."""
    if not issparse(batch):
        return batch, slice(None)
    columns, places = np.unique(batch.indices, return_inverse=True)
    return csr_matrix((batch.data, places, batch.indptr), shape=(batch.shape[0], len(columns))), columns
