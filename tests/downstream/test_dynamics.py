import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.downstream.dynamics import cross_model, training_dynamics

THREE = np.array([[[0.2, 0.8], [0.9, 0.1]], [[0.4, 0.6], [0.9, 0.1]], [[0.9, 0.1], [0.9, 0.1]]])


def test_training_dynamics_of_hand() -> None:
    seen = training_dynamics(THREE, np.array([0, 1]))
    np.testing.assert_allclose(seen.confidence, [0.5, 0.1])
    np.testing.assert_allclose(seen.variability, [np.sqrt((0.09 + 0.01 + 0.16) / 3), 0], atol=1e-12)
    np.testing.assert_allclose(seen.correctness, [1 / 3, 0])


def test_cross_model_variability_divides_by_k_minus_one() -> None:
    seen = cross_model(THREE, np.array([0, 1]))
    np.testing.assert_allclose(seen.confidence, [0.5, 0.1])
    np.testing.assert_allclose(seen.variability, [np.sqrt((0.09 + 0.01 + 0.16) / 2), 0], atol=1e-12)


def test_one_model_has_no_cross_model_variability() -> None:
    with pytest.raises(ValueError, match="training dynamics"):
        cross_model(THREE[:1], np.array([0, 1]))


@given(arrays(np.float64, (5, 4, 3), elements=st.floats(0.01, 1)), st.permutations(range(5)))
def test_bounds_and_order(raw: np.ndarray, order: list[int]) -> None:
    chances = raw / raw.sum(axis=2, keepdims=True)
    labels = np.array([0, 1, 2, 1])
    seen, shuffled = training_dynamics(chances, labels), training_dynamics(chances[order], labels)
    assert ((seen.confidence >= 0) & (seen.confidence <= 1)).all()
    # A quantity in [0, 1] with mean m has a variance of at most m (1 - m).
    assert (seen.variability**2 <= seen.confidence * (1 - seen.confidence) + 1e-12).all()
    np.testing.assert_allclose(seen.variability, shuffled.variability, atol=1e-12)
    assert (cross_model(chances, labels).variability >= seen.variability - 1e-12).all()
