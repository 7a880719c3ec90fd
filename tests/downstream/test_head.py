from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthgen.downstream.dynamics import training_dynamics
from synthgen.downstream.head import fit_head
from synthgen.downstream.stm import IntArray
from synthgen.downstream.tfidf import TfidfSTM

Read = Callable[[str, int], tuple[list[str], IntArray]]


def test_optimum_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 5))
    labels = (rows @ random.normal(size=(5, 3)) + random.normal(size=(200, 3))).argmax(axis=1)
    weights = random.uniform(0.2, 2, 200)
    fit = fit_head(rows, labels, weights, n_labels=3)
    # The bias is regularised: for scikit-learn it is one more column.
    ours = np.hstack([rows, np.ones((200, 1))])
    theirs = LogisticRegression(fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(ours, labels, sample_weight=fit.loss.weights)
    np.testing.assert_allclose(fit.parameters, theirs.coef_, atol=1e-4)


def test_gradient_vanishes_at_the_optimum() -> None:
    random = np.random.default_rng(1)
    fit = fit_head(random.normal(size=(50, 80)), random.integers(0, 4, 50), n_labels=4)
    assert np.abs(fit.loss.value_and_gradient(fit.parameters)[1]).max() < 1e-4


@pytest.mark.parametrize("n", [300, 2000])
def test_dynamics_of_real_samples_spread_and_expose_wrong_labels(recorded: Read, n: int) -> None:
    texts, labels = recorded("vicuna-7b-1.5v", n)
    planted = np.random.default_rng(0).random(n) < 0.15
    given = np.where(planted, 1 - labels, labels)
    stm = TfidfSTM()
    seen = training_dynamics(stm.fit(stm.start(texts), given, n_labels=2).epoch_probabilities, given)
    assert np.quantile(seen.confidence, 0.05) < 0.5
    assert 0.6 < np.median(seen.confidence) < 0.95
    assert np.quantile(seen.variability, 0.98) > 0.06, "samples move while they are learned"
    assert np.quantile(seen.variability, 0.9) > 1.5 * np.quantile(seen.variability, 0.1)
    assert np.median(seen.confidence[planted]) < np.quantile(seen.confidence[~planted], 0.1)
    assert seen.correctness[planted].mean() < 0.5 < seen.correctness[~planted].mean()
