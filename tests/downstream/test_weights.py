from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream.stm import IntArray
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.downstream.weights import adjust_weights, boost, code_beta, paper_beta

Read = Callable[[str, int], tuple[list[str], IntArray]]


def test_published_betas() -> None:
    assert code_beta(1000, 30) == pytest.approx(3.648228803302306, rel=1e-15)
    assert code_beta(6000, 30) == pytest.approx(4.255247261437459, rel=1e-15)
    assert 1 / paper_beta(6000, 30) == pytest.approx(0.5677, abs=5e-5)


def test_beta_of_few_samples_still_lowers() -> None:
    assert code_beta(10, 30) == 2
    assert paper_beta(2, 30) > 1


def test_published_step() -> None:
    after = boost(np.full(2, 0.5), np.array([[0.2, 0.8], [0.9, 0.1]]), np.array([0, 0]), code_beta(6000, 30))
    assert after[0] / after[1] == pytest.approx(0.31395, abs=5e-6)
    assert after.sum() == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 5), st.floats(1.01, 10))
def test_laws_of_a_step(seed: int, n: int, n_labels: int, beta: float) -> None:
    random = np.random.default_rng(seed)
    weights, labels = random.uniform(1e-6, 1, n), random.integers(0, n_labels, n)
    chances = random.dirichlet(np.ones(n_labels), n)
    after = boost(weights, chances, labels, beta)
    assert (after > 0).all()
    assert after.sum() == pytest.approx(weights.sum())
    gain = after / weights
    right = chances.argmax(axis=1) == labels
    of_label = chances[np.arange(n), labels]
    for label in np.unique(labels):
        mine = labels == label
        assert after[mine].sum() == pytest.approx(weights[mine].sum())
        if (mine & right).any():
            np.testing.assert_allclose(gain[mine & right], gain[mine & right][0])
            assert (gain[mine & right][0] >= gain[mine & ~right] - 1e-12).all()
            assert gain[mine & right][0] >= 1 - 1e-12
        by_error = (mine & ~right).nonzero()[0]
        by_error = by_error[of_label[by_error].argsort()]
        assert (np.diff(gain[by_error]) >= -1e-12).all()


@pytest.mark.parametrize("beta", [code_beta, paper_beta])
def test_planted_wrong_labels_lose_their_weight(recorded: Read, beta: Callable[[int, int], float]) -> None:
    texts, labels = recorded("vicuna-7b-1.5v", 1000)
    planted = np.random.default_rng(0).random(1000) < 0.15
    given = np.where(planted, 1 - labels, labels)
    stm = TfidfSTM()
    weights = adjust_weights(stm.fit, stm.start(texts), given, n_labels=2, beta=beta)
    assert weights.mean() == pytest.approx(0.5)
    assert (weights[planted] < 0.1).mean() > 0.5
    assert (weights[~planted] < 0.1).mean() < 0.05


def test_all_correct_changes_nothing(reviews: Callable[[int, int], tuple[list[str], IntArray]]) -> None:
    texts, labels = reviews(60, 0)
    stm = TfidfSTM()
    np.testing.assert_allclose(adjust_weights(stm.fit, stm.start(texts), labels, n_labels=2, updates=3), 0.5)
