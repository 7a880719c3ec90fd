import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from synthgen.downstream.softmax import SoftmaxLoss, effective_weights, probabilities


def problem(sparse: bool, seed: int = 0) -> tuple[SoftmaxLoss, np.random.Generator]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(30, 6)) * (random.random((30, 6)) < 0.5)
    weights = random.uniform(0, 2, 30)
    return SoftmaxLoss(csr_matrix(rows) if sparse else rows, random.integers(0, 4, 30), weights, 4, 0.3), random


@pytest.mark.parametrize("sparse", [True, False])
def test_gradient_is_the_slope_of_the_loss(sparse: bool) -> None:
    loss, random = problem(sparse)
    point, direction = random.normal(size=loss.shape), random.normal(size=loss.shape)
    step = 1e-5
    slope = (
        loss.value_and_gradient(point + step * direction)[0] - loss.value_and_gradient(point - step * direction)[0]
    ) / (2 * step)
    assert slope == pytest.approx(float(np.vdot(loss.value_and_gradient(point)[1], direction)), rel=1e-7)


@pytest.mark.parametrize("sparse", [True, False])
def test_hessian_product_is_the_slope_of_the_gradient(sparse: bool) -> None:
    loss, random = problem(sparse)
    point, direction = random.normal(size=loss.shape), random.normal(size=loss.shape)
    step = 1e-5
    slope = (
        loss.value_and_gradient(point + step * direction)[1] - loss.value_and_gradient(point - step * direction)[1]
    ) / (2 * step)
    exact = loss.hessian_product(probabilities(loss.features, point), direction)
    np.testing.assert_allclose(exact, slope, rtol=1e-6, atol=1e-7)


def test_hessian_is_symmetric_and_at_least_l2() -> None:
    loss, random = problem(True)
    chances = probabilities(loss.features, random.normal(size=loss.shape))
    size = loss.shape[0] * loss.shape[1]
    hessian = np.stack([loss.hessian_product(chances, row.reshape(loss.shape)).ravel() for row in np.eye(size)])
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    assert np.linalg.eigvalsh(hessian).min() >= loss.l2 - 1e-12


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(1e-6, 1e6)), st.floats(1e-3, 1e3))
def test_effective_weights_keep_ratios_and_forget_the_scale(weights: np.ndarray, factor: float) -> None:
    scaled = effective_weights(weights)
    np.testing.assert_allclose(scaled, effective_weights(factor * weights), rtol=1e-9)
    np.testing.assert_allclose(scaled * weights[0], weights * scaled[0], rtol=1e-9)
    np.testing.assert_allclose(effective_weights(np.append(weights, 0.0))[:-1], scaled, rtol=1e-9)
    assert 1 - 1e-9 <= scaled.sum() <= len(weights) * (1 + 1e-9)


def test_equal_weights_are_one() -> None:
    np.testing.assert_allclose(effective_weights(np.full(5, 0.5)), 1)
