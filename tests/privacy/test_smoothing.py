"""Reading a noised sum: exact without noise, the Gaussian posterior with it, and better than no regression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.privacy.smoothing import BLOCK, STRENGTHS, closeness


def unit(draw: np.random.Generator, n: int, d: int, *, wide: int | None = None) -> np.ndarray:
    rows = draw.normal(size=(n, d)) * (np.arange(d) < (wide or d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 12))
def test_without_noise_it_is_the_summed_cosine(seed: int, n: int, d: int) -> None:
    draw = np.random.default_rng(seed)
    samples, private = unit(draw, n, d), unit(draw, 7, d).astype(np.float64)
    expected = (samples.astype(np.float64) @ private.T).sum(axis=1)
    assert closeness(private.sum(axis=0), 0.0, samples) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 12), st.floats(0.01, 100))
def test_it_is_the_posterior_mean_of_the_likeliest_strength(seed: int, n: int, d: int, sigma: float) -> None:
    draw = np.random.default_rng(seed)
    samples, total = unit(draw, n, d), draw.normal(size=d) * 10
    rows = samples.astype(np.float64)
    moment = rows.T @ rows / n
    widest = np.linalg.eigvalsh(moment)[-1]
    candidates = []
    for strength in STRENGTHS * sigma**2 / widest:
        covariance = strength * moment + sigma**2 * np.eye(d)
        solved = np.linalg.solve(covariance, total)
        likelihood = -0.5 * (total @ solved + np.linalg.slogdet(covariance)[1])
        candidates.append((likelihood, rows @ (strength * moment @ solved)))
    best = max(likelihood for likelihood, _ in candidates)
    # Neighbouring strengths may be equally likely up to rounding: any of them will do.
    likeliest = [scores for likelihood, scores in candidates if likelihood > best - 1e-7 * (1 + abs(best))]
    found = closeness(total, sigma, samples)
    assert min(np.abs(found - scores).max() for scores in likeliest) < 1e-6 * (1 + np.abs(found).max())


@given(st.integers(0, 2**32), st.sampled_from([0.25, 8.0]), st.floats(0.1, 10))
def test_units_do_not_matter(seed: int, unit_of_length: float, sigma: float) -> None:
    draw = np.random.default_rng(seed)
    samples, total = unit(draw, 20, 6), draw.normal(size=6) * 5
    scaled = closeness(total * unit_of_length, sigma * unit_of_length, samples)
    assert scaled == pytest.approx(closeness(total, sigma, samples) * unit_of_length)


def test_noise_off_the_samples_has_no_influence() -> None:
    draw = np.random.default_rng(1)
    samples = unit(draw, 60, 30, wide=5)
    total = np.concatenate([draw.normal(size=5) * 20, np.zeros(25)])
    noisy = total + np.concatenate([np.zeros(5), draw.normal(size=25)])
    assert closeness(noisy, 1.0, samples) == pytest.approx(closeness(total, 1.0, samples), rel=1e-6)


def test_it_is_nearer_to_the_truth_than_the_noised_sum() -> None:
    """Samples that vary along few directions, noise in all of them: at least a sixth less squared error."""
    draw = np.random.default_rng(2)
    plain, smoothed = 0.0, 0.0
    scale = 0.7 ** np.arange(50)
    for _ in range(40):
        rows = draw.normal(size=(350, 50)) * scale + 0.5 * scale
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        samples, total = rows[:300].astype(np.float32), rows[300:].sum(axis=0)
        noisy = total + draw.normal(size=50) * 10
        truth = samples @ total
        plain += float(((samples @ noisy - truth) ** 2).sum())
        smoothed += float(((closeness(noisy, 10.0, samples) - truth) ** 2).sum())
    assert smoothed < 5 / 6 * plain


def test_blocks_do_not_matter() -> None:
    draw = np.random.default_rng(3)
    few = unit(draw, 50, 8)
    many = np.concatenate([few] * (2 * BLOCK // 50 + 1))
    total = draw.normal(size=8) * 9
    found = closeness(total, 1.0, many)
    assert found[:50] == pytest.approx(closeness(total, 1.0, few))
    assert found[-50:] == pytest.approx(found[:50])


def test_no_samples_and_nonsense() -> None:
    samples = unit(np.random.default_rng(4), 3, 4)
    assert closeness(np.zeros(4), 1.0, samples[:0]).shape == (0,)
    for total, sigma in [(np.zeros(3), 1.0), (np.zeros(4), -1.0), (np.zeros(4), np.nan), (np.zeros(4), np.inf)]:
        with pytest.raises(ValueError, match=r"shape|sigma"):
            closeness(total, sigma, samples)
