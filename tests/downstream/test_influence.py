from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import spearmanr

from synthgen.downstream.head import HeadFit, fit_head
from synthgen.downstream.influence import ValidationLoss, influence, inverse_hessian_product, validation_gradient
from synthgen.downstream.softmax import probabilities
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.downstream.tfidf import TfidfSTM

Read = Callable[[str, int], tuple[list[str], IntArray]]
LOSSES: tuple[ValidationLoss, ...] = get_args(ValidationLoss)


def mean_loss(parameters: FloatArray, rows: FloatArray, labels: IntArray, loss: ValidationLoss) -> float:
    of_label = probabilities(rows, parameters)[np.arange(len(labels)), labels]
    return float(-of_label.mean() if loss == "probability" else -np.log(of_label).mean())


def blobs(n: int, seed: int, n_labels: int = 3) -> tuple[FloatArray, IntArray]:
    random = np.random.default_rng(seed)
    labels = np.arange(n) % n_labels
    return np.eye(n_labels, 6)[labels] + random.normal(size=(n, 6)) * 0.8, labels


@pytest.mark.parametrize("loss", LOSSES)
def test_validation_gradient_is_the_slope_of_the_validation_loss(loss: ValidationLoss) -> None:
    rows, labels = blobs(20, 0)
    random = np.random.default_rng(1)
    point, direction = random.normal(size=(3, 7)), random.normal(size=(3, 7))
    step = 1e-6
    slope = (
        mean_loss(point + step * direction, rows, labels, loss)
        - mean_loss(point - step * direction, rows, labels, loss)
    ) / (2 * step)
    gradient = validation_gradient(point, rows, labels, loss=loss)
    assert slope == pytest.approx(float(np.vdot(gradient, direction)), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_agrees_with_retraining_without_each_sample(loss: ValidationLoss) -> None:
    rows, labels = blobs(120, 0)
    labels = np.where(np.arange(120) % 9 == 0, (labels + 1) % 3, labels)
    validation = blobs(60, 1)
    fit = fit_head(rows, labels, n_labels=3)
    base = mean_loss(fit.parameters, *validation, loss)
    without = []
    for left_out in range(120):
        kept = np.flatnonzero(np.arange(120) != left_out)
        other = fit_head(rows[kept], labels[kept], n_labels=3)
        without.append(base - mean_loss(other.parameters, *validation, loss))
    predicted = influence(fit, validation, (rows, labels), loss=loss)
    assert spearmanr(predicted, without).statistic > 0.95
    assert np.corrcoef(predicted, without)[0, 1] > 0.95


@pytest.mark.parametrize("loss", LOSSES)
def test_planted_wrong_labels_are_harmful(recorded: Read, loss: ValidationLoss) -> None:
    texts, labels = recorded("vicuna-7b-1.5v", 1200)
    stm = TfidfSTM()
    features = stm.start(texts)
    random = np.random.default_rng(0)
    held_out, train = np.split(random.permutation(1200), [200])
    planted = random.random(1000) < 0.15
    given = np.where(planted, 1 - labels[train], labels[train])
    fit = stm.fit(features[train], given, n_labels=2)
    effect = influence(fit, (features[held_out], labels[held_out]), (features[train], given), loss=loss)
    assert (effect[planted] > 0).mean() > 0.75
    assert (effect[~planted] < 0).mean() > 0.75
    # What the loop would show as demonstrations, and what it must not.
    order = effect.argsort()
    assert planted[order[:50]].mean() < 0.05
    assert planted[order[-50:]].mean() > 0.7


def test_sparse_and_dense_agree_also_on_unused_columns() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(40, 9)) * (random.random((40, 9)) < 0.4)
    rows[:20, 4] = 0
    labels = random.integers(0, 3, 40)
    results = []
    for features in (rows, csr_matrix(rows)):
        train, rest = np.arange(20), np.arange(20, 40)
        fit = fit_head(features[train], labels[train], n_labels=3)
        results.append(influence(fit, (features[rest], labels[rest]), (features[rest], labels[rest])))
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-9)


def solve(fit: HeadFit, vector: FloatArray) -> FloatArray:
    return inverse_hessian_product(fit, vector, tolerance=1e-12)


def test_inverse_is_linear_and_inverts() -> None:
    rows, labels = blobs(50, 0)
    fit = fit_head(rows, labels, np.random.default_rng(0).uniform(0, 1, 50), n_labels=3)
    one, two = (validation_gradient(fit.parameters, *blobs(20, seed)) for seed in (1, 2))
    np.testing.assert_allclose(solve(fit, (one + two) / 2), (solve(fit, one) + solve(fit, two)) / 2, atol=1e-12)
    chances = probabilities(rows, fit.parameters)
    np.testing.assert_allclose(fit.loss.hessian_product(chances, solve(fit, one)), one, atol=1e-10)


def test_effect_of_a_set_is_the_mean_over_its_validation_samples() -> None:
    rows, labels = blobs(50, 0)
    fit = fit_head(rows, labels, n_labels=3)
    asked, answers = blobs(6, 1)
    each = [influence(fit, (asked[[i]], answers[[i]]), (rows, labels)) for i in range(6)]
    np.testing.assert_allclose(influence(fit, (asked, answers), (rows, labels)), np.mean(each, axis=0), atol=1e-8)
