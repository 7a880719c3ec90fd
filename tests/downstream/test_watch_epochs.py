"""The epochs beside those of plain products of matrices, written out."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import log_softmax, softmax

from synthgen.downstream.rows import SharedRows
from synthgen.downstream.softmax import log_softmax_rows, softmax_rows
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.downstream.watch import BATCH, BIAS_RATE, EPOCHS, RATE, watch_epochs


def spread(order: IntArray, labels: IntArray) -> IntArray:
    counts = np.bincount(labels)
    met, keys = np.zeros(len(counts)), []
    for row in order:
        keys.append((met[labels[row]] + 0.5) / counts[labels[row]])
        met[labels[row]] += 1
    return order[np.argsort(keys, kind="stable")]


def plainly(features: csr_matrix | FloatArray, labels: IntArray, weights: FloatArray, n_labels: int) -> FloatArray:
    parameters, bias = np.zeros((features.shape[1], n_labels)), np.zeros(n_labels)
    relative, draw, seen = weights / weights.mean(), np.random.default_rng(0), []
    for _ in range(EPOCHS):
        order = spread(draw.permutation(len(labels)), labels)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = features[rows]
            slopes = softmax(batch @ parameters + bias, axis=1)
            slopes[np.arange(len(rows)), labels[rows]] -= 1.0
            slopes *= relative[rows, None] / len(rows)
            parameters -= RATE * (batch.T @ slopes)
            bias -= BIAS_RATE * slopes.sum(axis=0)
        seen.append(softmax(features @ parameters + bias, axis=1))
    return np.stack(seen)


@pytest.mark.parametrize("kind", ["sparse", "shared", "dense"])
@pytest.mark.parametrize("n_labels", [2, 3, 11, 12, 20])
@pytest.mark.parametrize("n", [1, 16, 301])
def test_epochs_are_those_of_plain_products_to_the_bit(kind: str, n_labels: int, n: int) -> None:
    random = np.random.default_rng(n)
    rows = random.normal(size=(n, 40)) * (random.random((n, 40)) < 0.3)
    labels, weights = random.integers(0, n_labels, n), random.uniform(0, 1, n)
    plain = rows if kind == "dense" else csr_matrix(rows)
    features = SharedRows(csr_matrix(np.vstack([rows, rows])))[np.arange(n, 2 * n)] if kind == "shared" else plain
    ours = watch_epochs(features, labels, weights, n_labels=n_labels)
    np.testing.assert_array_equal(ours, plainly(plain, labels, weights, n_labels))


def test_rows_without_a_number_and_without_a_column() -> None:
    labels, weights = np.array([0, 1, 1]), np.ones(3)
    for features in (csr_matrix((3, 4)), csr_matrix((3, 0))):
        ours = watch_epochs(features, labels, weights, n_labels=2)
        np.testing.assert_array_equal(ours, plainly(features, labels, weights, 2))


@pytest.mark.parametrize("n_labels", [1, 2, 7, 8, 9, 77])
def test_softmax_is_that_of_scipy_to_the_bit(n_labels: int) -> None:
    logits = np.random.default_rng(0).normal(size=(500, n_labels)) * 30
    logits[0] = 1e300
    np.testing.assert_array_equal(softmax_rows(logits), softmax(logits, axis=1))
    np.testing.assert_array_equal(log_softmax_rows(logits), log_softmax(logits, axis=1))
