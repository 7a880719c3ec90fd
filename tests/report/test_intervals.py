"""t-intervals against scipy, and how often they hold what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synthgen.report.intervals import paired_difference, t_interval

SHARES = st.floats(0, 1).map(lambda share: round(share, 6))


@given(st.lists(SHARES, min_size=2, max_size=12).filter(lambda values: np.std(values) > 1e-9))
def test_the_interval_is_that_of_scipy(values: list[float]) -> None:
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx([low, high], abs=1e-9)


@given(st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=12))
def test_the_paired_difference_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    found = paired_difference({n: [v] for n, v in enumerate(ours)}, {n: [v] for n, v in reversed([*enumerate(theirs)])})
    gaps = 100 * (np.array(ours) - np.array(theirs))
    reach = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    assert found["points"] == pytest.approx(gaps.mean(), abs=1e-9)
    assert found["interval"] == pytest.approx([gaps.mean() - reach, gaps.mean() + reach], abs=1e-7)
    assert found["pairs"] == len(pairs)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_nineteen_of_twenty_intervals_hold_the_truth(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    repeats = 4000
    # Seeds move both arms together, far more than the arms differ: only pairing sees the difference.
    common = rng.normal(0.8, 0.05, (repeats, seeds))
    ours = common + 0.01 + rng.normal(0, 0.004, (repeats, seeds))
    theirs = common + rng.normal(0, 0.004, (repeats, seeds))
    held = 0
    for a, b in zip(ours, theirs, strict=True):
        found = paired_difference({n: [v] for n, v in enumerate(a)}, {n: [v] for n, v in enumerate(b)})
        held += found["interval"][0] <= 1.0 <= found["interval"][1]
    # Four standard errors of a share of 0.95 of 4,000 are 0.014.
    assert held / repeats == pytest.approx(0.95, abs=0.014)


def test_only_seeds_of_both_count_and_a_repeated_seed_counts_once() -> None:
    found = paired_difference({0: [0.8], 1: [0.7, 0.9], 5: [0.1]}, {1: [0.78], 0: [0.79], 9: [0.0]})
    assert found["points"] == pytest.approx(1.5)
    assert found["pairs"] == 2
    assert [one["seed"] for one in found["by_seed"]] == [0, 1]


def test_without_two_pairs_there_is_no_interval() -> None:
    assert t_interval([0.5]) is t_interval([]) is None
    one = paired_difference({0: [0.8]}, {0: [0.7]})
    assert (one["points"], one["interval"], one["pairs"]) == (pytest.approx(10), None, 1)
    none = paired_difference({0: [0.8]}, {1: [0.7]})
    assert (none["points"], none["interval"], none["pairs"], none["by_seed"]) == (None, None, 0, [])
