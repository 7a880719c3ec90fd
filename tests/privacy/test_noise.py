"""The samplers against exact probabilities, on the operating system's entropy; one false alarm in 10^6 runs."""

import math
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synthgen.privacy.noise import (
    SeededSource,
    SystemSource,
    add_gaussian,
    bernoulli_exp,
    discrete_gaussian,
    exponential_choice,
    noised_steps,
)

SURE = 1e-8  # the chance that one check calls a right sampler wrong; this file makes fewer than 100 of them
TENTHS_OF_A_NORMAL = stats.norm.ppf(np.arange(1, 10) / 10)
dyadics = st.integers(-(2**60), 2**60).map(lambda n: n / 2**20)
sigmas = st.floats(math.log(1e-6), math.log(1e9)).map(math.exp)


def assert_drawn_from(counts: dict[int, int], probabilities: dict[int, float]) -> None:
    """Chi-square; everything that is expected fewer than 50 times is one bin."""
    assert counts.keys() <= probabilities.keys()
    draws = sum(counts.values())
    often = [value for value, p in probabilities.items() if p * draws >= 50]
    expected = [probabilities[value] * draws for value in often]
    observed = [counts.get(value, 0) for value in often]
    if (rest := draws - sum(expected)) > 5:
        expected.append(rest)
        observed.append(draws - sum(observed))
    statistic = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    assert len(expected) == 1 or stats.chi2.sf(statistic, len(expected) - 1) > SURE, (counts, probabilities)


def assert_probability(successes: int, draws: int, p: float) -> None:
    assert stats.binomtest(successes, draws, p).pvalue > SURE, (successes, draws, p)


def pmf(sigma: int) -> dict[int, float]:
    weights = {x: math.exp(-x * x / (2 * sigma * sigma)) for x in range(-12 * sigma, 12 * sigma + 1)}
    total = math.fsum(weights.values())
    return {x: weight / total for x, weight in weights.items()}


@pytest.mark.parametrize("n", [1, 2, 3, 10, 2**64, 3 * 2**64, 2**70 + 1, 2**200])
def test_integers_are_uniform(n: int) -> None:
    source = SystemSource()
    draws = [source.randbelow(n) for _ in range(4000)]
    assert all(0 <= draw < n for draw in draws)
    if n <= 10:
        assert_drawn_from(Counter(draws), dict.fromkeys(range(n), 1 / n))
    else:
        assert_drawn_from(Counter(draw * 16 // n for draw in draws), dict.fromkeys(range(16), 1 / 16))
        assert_drawn_from(Counter(draw % 16 for draw in draws), dict.fromkeys(range(16), 1 / 16))


@pytest.mark.parametrize("source", [SystemSource(), SeededSource(1)])
def test_an_empty_range_is_refused(source: SystemSource | SeededSource) -> None:
    for n in (0, -1):
        with pytest.raises(ValueError):
            source.randbelow(n)


def test_a_seed_repeats_and_the_system_does_not() -> None:
    def some(source: SystemSource | SeededSource) -> list[int]:
        return discrete_gaussian(2**40, 20, source)

    assert some(SeededSource(7)) == some(SeededSource(7)) != some(SeededSource(8))
    assert some(SystemSource()) != some(SystemSource())


FORK = """
import os
from synthgen.privacy.noise import SystemSource
source = SystemSource()
source.randbelow(2**64)
child = os.fork()
if child:
    os.waitpid(child, 0)
    print(source.randbelow(2**64), flush=True)
print(source.randbelow(2**64), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_draws_other_numbers() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True)
    assert len(set(done.stdout.split())) == 3


def test_no_number_is_given_to_two_threads() -> None:
    source = SystemSource()
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: [source.randbelow(2**64) for _ in range(5000)], range(8)))
    assert len({number for numbers in drawn for number in numbers}) == 40_000


@pytest.mark.parametrize(
    ("numerator", "denominator"), [(0, 5), (1, 100), (1, 2), (1, 1), (7, 3), (10**40, 3 * 10**40), (3 * 2**200, 2**200)]
)
def test_bernoulli_exp(numerator: int, denominator: int) -> None:
    source, draws = SystemSource(), 20_000
    successes = sum(bernoulli_exp(numerator, denominator, source) for _ in range(draws))
    assert_probability(successes, draws, math.exp(-numerator / denominator))


def test_bernoulli_exp_of_what_never_happens_ends_at_once() -> None:
    assert not bernoulli_exp(10**30, 1, SystemSource())


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 1), (1, 0), (1, -1)])
def test_what_is_no_probability_is_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="probability"):
        bernoulli_exp(numerator, denominator, SystemSource())


@pytest.mark.parametrize("sigma", [1, 2, 3, 10])
def test_small_discrete_gaussians(sigma: int) -> None:
    draws = discrete_gaussian(sigma, 50_000, SystemSource())
    assert_drawn_from(Counter(draws), pmf(sigma))


@pytest.mark.parametrize("sigma", [1000, 2**40, 65135453324268429312, 10**60])
def test_large_discrete_gaussians(sigma: int) -> None:
    count = 20_000
    draws = discrete_gaussian(sigma, count, SystemSource())
    scaled = np.array([draw / sigma for draw in draws])
    assert abs(scaled.mean()) < 5.8 / math.sqrt(count)
    assert abs((scaled**2).mean() - 1) < 5.8 * math.sqrt(2 / count)
    assert abs((scaled**4).mean() - 3) < 5.8 * math.sqrt(96 / count)
    tenths = Counter(np.searchsorted(TENTHS_OF_A_NORMAL, scaled).tolist())
    assert_drawn_from(tenths, dict.fromkeys(range(10), 0.1))
    if sigma >= 2**40:  # the last bits are as random as the first
        assert_drawn_from(Counter(draw % 16 for draw in draws), dict.fromkeys(range(16), 1 / 16))


def test_senseless_draws_are_refused() -> None:
    for sigma, count in ((0, 1), (-1, 1), (1, -1)):
        with pytest.raises(ValueError, match="standard deviation"):
            discrete_gaussian(sigma, count, SystemSource())
    assert discrete_gaussian(5, 0, SystemSource()) == []


@pytest.mark.parametrize("sigma", [1, 3, 10])
def test_total_variation_to_the_rounded_gaussian_is_below_the_stated_bound(sigma: int) -> None:
    exact = pmf(sigma)
    rounded = {x: stats.norm.cdf((x + 0.5) / sigma) - stats.norm.cdf((x - 0.5) / sigma) for x in exact}
    distance = sum(abs(exact[x] - rounded[x]) for x in exact) / 2
    bound = 1 / (24 * sigma**2)
    assert bound / 3 < distance < bound


@given(st.lists(dyadics, max_size=6), sigmas, st.integers(0, 100))
def test_the_noise_and_its_grid_do_not_depend_on_the_values(values: list[float], sigma: float, seed: int) -> None:
    noised, k = noised_steps(np.array(values), sigma, SeededSource(seed))
    noise, same = noised_steps(np.zeros(len(values)), sigma, SeededSource(seed))
    assert k == same
    assert Fraction(sigma) * 2**k >= 2**64
    assert [Fraction(n - e, 2**k) for n, e in zip(noised, noise, strict=True)] == [Fraction(value) for value in values]
    released, effective = add_gaussian(np.array(values), sigma, SeededSource(seed))
    assert released.tolist() == [float(Fraction(n, 2**k)) for n in noised]
    assert sigma <= effective <= sigma * (1 + 1e-9)


def test_released_histograms_are_gaussian_about_the_votes() -> None:
    votes = np.tile([[0.0, 1.9921875, -3.5], [2.0**-40, 100.0, 1e6 + 2.0**-30]], (3000, 1))
    kept = votes.copy()
    released, effective = add_gaussian(votes, 3.531, SystemSource())
    assert released.shape == votes.shape
    assert released.dtype == np.float64
    assert (votes == kept).all()
    scaled = ((released - votes) / effective).ravel()
    assert_drawn_from(Counter(np.searchsorted(TENTHS_OF_A_NORMAL, scaled).tolist()), dict.fromkeys(range(10), 0.1))
    assert abs(np.corrcoef(scaled[:-1], scaled[1:])[0, 1]) < 5.8 / math.sqrt(len(scaled))


def test_no_noise_where_none_is_asked() -> None:
    votes = np.array([0.5, 2**-100])
    released, effective = add_gaussian(votes, 0.0, SystemSource())
    assert (released.tolist(), effective) == (votes.tolist(), 0.0)
    released[0] = 7
    assert votes[0] == 0.5, "the caller's array is not the one given back"


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(value: float, sigma: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        add_gaussian(np.array([1.0, value]), sigma, SystemSource())


def test_values_off_the_grid_are_refused() -> None:
    add_gaussian(np.array([2.0**-64]), 1.0, SystemSource())
    with pytest.raises(ValueError, match="multiples"):
        add_gaussian(np.array([2.0**-65]), 1.0, SystemSource())


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_a_sigma_without_sense_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        add_gaussian(np.array([1.0]), sigma, SystemSource())


def chosen(draws: int, utilities: list[float], **options: float | bool) -> Counter[int]:
    source = SystemSource()
    return Counter(exponential_choice(utilities, source=source, **options) for _ in range(draws))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("utilities", "options", "factor"),
    [
        ([0.0, 1.0, 0.25, -3.0, 1.0], {"epsilon": 2.0, "sensitivity": 1.0}, 1.0),
        ([0.0, 1.0, 0.25, -3.0, 1.0], {"epsilon": 2.0, "sensitivity": 1.0, "monotone": True}, 2.0),
        ([0.1, 0.2, 0.7], {"epsilon": 0.3, "sensitivity": 0.1}, 1.5),
        ([1e9, 1e9 + 1, 1e9 - 1], {"epsilon": 1.0, "sensitivity": 1.0}, 0.5),
        ([5.0, 5.0, 5.0], {"epsilon": 1e3, "sensitivity": 1e-3}, 1.0),
        ([-2.0], {"epsilon": 1.0, "sensitivity": 1.0}, 1.0),
    ],
)
def test_choices_come_with_their_exact_probability(
    utilities: list[float], options: dict[str, float], factor: float
) -> None:
    weights = [math.exp(factor * (utility - max(utilities))) for utility in utilities]
    expected = {position: weight / sum(weights) for position, weight in enumerate(weights)}
    assert_drawn_from(chosen(10_000, utilities, **options), expected)


SELECTIVITY = {  # Pr(best) where one utility is 1 and the others 0, by the epsilon of the selection
    100: {0.05: 0.0103, 0.1: 0.0105, 0.2: 0.0110, 0.5: 0.0128, 1: 0.0164, 2: 0.0267, 4: 0.0695, 8: 0.356, 10: 0.600},
    10: {0.05: 0.102, 0.1: 0.105, 0.2: 0.109, 0.5: 0.125, 1: 0.155, 2: 0.232, 4: 0.451, 8: 0.859, 10: 0.943},
}


@pytest.mark.parametrize(("n", "epsilon"), [(n, epsilon) for n, row in SELECTIVITY.items() for epsilon in row])
def test_the_chance_of_the_best_is_the_published_one(n: int, epsilon: float) -> None:
    exact = 1 / (1 + (n - 1) * math.exp(-epsilon / 2))
    assert exact == pytest.approx(SELECTIVITY[n][epsilon], abs=6e-4)
    draws = 1500
    best = chosen(draws, [0.0] * (n - 1) + [1.0], epsilon=epsilon, sensitivity=1.0)[n - 1]
    assert_probability(best, draws, exact)


def test_without_privacy_the_first_maximum_is_chosen() -> None:
    assert set(chosen(20, [0.0, 2.0, 2.0], epsilon=math.inf, sensitivity=1.0)) == {1}


def test_numpy_utilities_are_taken() -> None:
    utilities = np.array([0.0, 1e6], dtype=np.float32)
    assert exponential_choice(utilities, epsilon=1.0, sensitivity=1.0, source=SystemSource()) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("utilities", [[], [0.0, math.nan], [0.0, -math.inf], [math.inf]])
def test_utilities_without_sense_are_refused(utilities: list[float]) -> None:
    with pytest.raises(ValueError, match="utility"):
        exponential_choice(utilities, epsilon=1.0, sensitivity=1.0, source=SystemSource())


@pytest.mark.parametrize(
    ("epsilon", "sensitivity"), [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, 0.0), (1.0, math.inf)]
)
def test_a_choice_without_a_promise_is_refused(epsilon: float, sensitivity: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        exponential_choice([0.0, 1.0], epsilon=epsilon, sensitivity=sensitivity, source=SystemSource())
