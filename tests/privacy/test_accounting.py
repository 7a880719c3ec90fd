"""Published values, an independent implementation, 60-digit arithmetic, and the laws any account must keep."""

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.privacy.accounting import (
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    gaussian_sigma,
    selection_epsilon,
    zcdp_epsilon,
    zcdp_rho,
)
from synthgen.privacy.sensitivity import histogram_sensitivity


def powers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


epsilons = powers(1e-3, 1e3)
deltas = powers(1e-23, 0.1)


def natural_delta(n: int) -> float:
    return 1 / (n * math.log(n))


@pytest.mark.parametrize(
    ("sigma", "releases", "epsilon"),
    [
        (2 * math.sqrt(2), 5, 3.3414),
        (5 * math.sqrt(2), 1, 0.497),
        (5 * math.sqrt(2), 5, 1.199),
        (5 * math.sqrt(2), 10, 1.760),
        (5 * math.sqrt(2), 20, 2.594),
        (10 * math.sqrt(2), 20, 1.199),
    ],
)
def test_epsilon_of_the_image_settings(sigma: float, releases: int, epsilon: float) -> None:
    assert gaussian_epsilon(math.sqrt(releases) / sigma, 1e-5) == pytest.approx(epsilon, abs=6e-4)


@pytest.mark.parametrize(
    ("n", "epsilon", "published_sigma", "epsilon_of_it", "exact_sigma"),
    [
        (8396, 1, 11.60, 1.000, 11.5998),
        (8396, 2, 6.22, 1.997, 6.2107),
        (8396, 4, 3.38, 3.992, 3.3743),
        (75316, 1, 13.26, 0.9992, None),
        (75316, 2, 7.01, 1.9972, None),
        (75316, 4, 3.75, 3.9992, None),
        (1939290, 1, 15.34, 1.0045, 15.4045),
        (1939290, 2, 8.03, 2.0024, 8.0389),
        (1939290, 4, 4.24, 4.0053, 4.2451),
    ],
    ids=lambda value: str(value),
)
def test_sigma_of_the_text_settings(
    n: int, epsilon: float, published_sigma: float, epsilon_of_it: float, exact_sigma: float | None
) -> None:
    delta = natural_delta(n)
    assert gaussian_epsilon(math.sqrt(10) / published_sigma, delta) == pytest.approx(epsilon_of_it, abs=6e-4)
    if exact_sigma is not None:
        assert gaussian_sigma(epsilon, delta, releases=10) == pytest.approx(exact_sigma, abs=1e-4)


@pytest.mark.parametrize(("epsilon", "sigma"), [(1, 3.7306), (2, 1.9938), (4, 1.0812), (8, 0.6002), (10, 0.4999)])
def test_sigma_of_one_release(epsilon: float, sigma: float) -> None:
    assert gaussian_sigma(epsilon, 1e-5) == pytest.approx(sigma, abs=6e-5)


def test_sigma_of_wasp_and_epsilon_of_the_published_calibration() -> None:
    def sensitivity(adjacency: str, q: int = 8) -> float:
        return histogram_sensitivity(q, design="two", adjacency=adjacency)  # type: ignore[arg-type]

    for adjacency, sigma, published in (("add-remove", 3.531, 1.29), ("replace-one", 4.994, 1.89)):
        worst = sensitivity(adjacency)
        assert gaussian_sigma(4, 1e-5, sensitivity=worst, releases=4) == pytest.approx(sigma, abs=6e-4)
        assert gaussian_epsilon(worst * 2 / 9.689610525210778, 1e-5) == pytest.approx(published, abs=6e-3)
    # Top-1 with a near histogram only keeps 4 where a record is added and breaks it where one is replaced.
    for adjacency, published in (("add-remove", 3.51), ("replace-one", 5.24)):
        worst = histogram_sensitivity(1, design="near", adjacency=adjacency)  # type: ignore[arg-type]
        assert gaussian_epsilon(worst * 2 / 2.4224026313026945, 1e-5) == pytest.approx(published, abs=6e-3)


@pytest.mark.parametrize(
    ("epsilon", "rounds", "classes", "pure", "zcdp"),
    [
        (4, 10, 2, 0.200, 0.386),
        (8, 20, 2, 0.200, 0.496),
        (8, 100, 2, 0.040, 0.222),
        (4, 10, 5, 0.080, 0.244),
        (1, 10, 2, 0.050, 0.110),
    ],
)
def test_epsilon_of_one_selection(epsilon: float, rounds: int, classes: int, pure: float, zcdp: float) -> None:
    selections = rounds * classes
    each = selection_epsilon(epsilon, 1e-5, selections=selections, accounting="pure")
    assert each == pytest.approx(pure, rel=1e-12)
    assert each * selections <= epsilon
    each = selection_epsilon(epsilon, 1e-5, selections=selections, accounting="zcdp")
    assert each == pytest.approx(zcdp, abs=6e-4)
    assert zcdp_epsilon(selections * each**2 / 8, 1e-5) <= epsilon


def test_one_selection_of_point_two_is_five_thousandths_zcdp() -> None:
    epsilon = zcdp_epsilon(0.005, 1e-5)
    assert zcdp_rho(epsilon, 1e-5) == pytest.approx(0.2**2 / 8, rel=1e-9)


# Farther out dp-accounting's own digits cancel; the test with sixty digits goes there. On its way it takes log 0.
@pytest.mark.filterwarnings("ignore:divide by zero encountered in log1p:RuntimeWarning")
@given(powers(1e-2, 1e3), powers(1e-15, 0.1))
def test_sigma_is_that_of_dp_accounting(epsilon: float, delta: float) -> None:
    import dp_accounting

    ours = gaussian_sigma(epsilon, delta)
    assert ours == pytest.approx(dp_accounting.get_sigma_gaussian(epsilon, delta), rel=1e-7)
    assert gaussian_epsilon(1 / ours, delta) == pytest.approx(
        dp_accounting.get_epsilon_gaussian(ours, delta), rel=1e-7, abs=1e-9
    )


@pytest.mark.parametrize("epsilon", [0.1, 1, 4, 8, 20])
@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-8])
def test_usual_sigma_is_that_of_dp_accounting_to_nine_digits(epsilon: float, delta: float) -> None:
    import dp_accounting

    ours = gaussian_sigma(epsilon, delta)
    assert ours == pytest.approx(dp_accounting.get_sigma_gaussian(epsilon, delta), rel=1e-9)


def test_composition_is_that_of_privacy_loss_distributions() -> None:
    import dp_accounting
    from dp_accounting import pld

    sigma = gaussian_sigma(4, 1e-5, sensitivity=1.633, releases=4)
    accountant = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(sigma / 1.633), 4))
    assert accountant.get_epsilon(1e-5) == pytest.approx(4, rel=1e-4)


@pytest.mark.parametrize("rho", [1e-4, 0.005, 0.1, 1, 10])
@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-10])
def test_zcdp_is_not_looser_than_dp_accounting(rho: float, delta: float) -> None:
    import dp_accounting
    from dp_accounting import rdp

    accountant = rdp.RdpAccountant(neighboring_relation=dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.ZCDpEvent(rho))
    theirs = accountant.get_epsilon(delta)  # a minimum over a fixed list of orders, ours is over all
    ours = zcdp_epsilon(rho, delta)
    assert ours <= theirs * (1 + 1e-9)
    assert ours >= theirs * 0.9 or theirs < 0.05
    # A Gaussian is rho-zCDP with mu = sqrt(2 rho): no conversion may promise more than the exact account.
    assert ours >= gaussian_epsilon(math.sqrt(2 * rho), delta)


@given(powers(1e-8, 1e4), deltas)
def test_zcdp_epsilon_is_the_minimum_over_the_order(rho: float, delta: float) -> None:
    ours = zcdp_epsilon(rho, delta)
    orders_less_one = [10 ** (step / 50) for step in range(-300, 1500)]
    best = min(rho * (1 + x) - (math.log(delta) + math.log1p(x)) / x - math.log1p(1 / x) for x in orders_less_one)
    assert ours == pytest.approx(max(0.0, best), rel=2e-3)
    assert ours <= max(0.0, best) * (1 + 1e-9)


@given(epsilons, deltas)
def test_delta_is_that_of_sixty_digits(epsilon: float, delta: float) -> None:
    import mpmath

    mu = gaussian_mu(epsilon, delta)
    with mpmath.workdps(60):
        e, m = mpmath.mpf(epsilon), mpmath.mpf(mu)
        true = mpmath.ncdf(-e / m + m / 2) - mpmath.exp(e) * mpmath.ncdf(-e / m - m / 2)
        assert true <= delta, "the exact delta of the calibrated noise is above the promise"
        assert true >= delta * (1 - mpmath.mpf("1e-5"))
        assert gaussian_delta(epsilon, mu) == pytest.approx(float(true), rel=1e-6)


@given(epsilons, deltas, powers(1e-3, 1e3), st.integers(1, 10_000))
def test_there_and_back_never_exceeds_the_promise(
    epsilon: float, delta: float, sensitivity: float, releases: int
) -> None:
    sigma = gaussian_sigma(epsilon, delta, sensitivity=sensitivity, releases=releases)
    again = gaussian_epsilon(sensitivity * math.sqrt(releases) / sigma, delta)
    assert again <= epsilon
    assert again >= epsilon * (1 - 1e-3) - 1e-7
    assert zcdp_epsilon(zcdp_rho(epsilon, delta), delta) <= epsilon


@given(epsilons, deltas, powers(1e-2, 1e2), st.integers(1, 1000), powers(1.001, 10))
def test_more_privacy_more_releases_and_more_sensitivity_cost_noise(
    epsilon: float, delta: float, sensitivity: float, releases: int, factor: float
) -> None:
    def sigma(e: float = epsilon, d: float = delta, s: float = sensitivity, t: int = releases) -> float:
        return gaussian_sigma(e, d, sensitivity=s, releases=t)

    base = sigma()
    assert sigma(e=epsilon * factor) <= base * (1 + 1e-8)
    assert sigma(d=min(0.9, delta * factor)) <= base * (1 + 1e-8)
    assert sigma(s=sensitivity * factor) == pytest.approx(base * factor, rel=1e-12)
    assert sigma(t=releases * 4) == pytest.approx(base * 2, rel=1e-12)
    for selections in (releases, releases + 1):
        for accounting in ("pure", "zcdp"):
            few = selection_epsilon(epsilon, delta, selections=selections, accounting=accounting)  # type: ignore[arg-type]
            more = selection_epsilon(epsilon, delta, selections=selections + 1, accounting=accounting)  # type: ignore[arg-type]
            assert 0 < more < few


@given(
    st.floats(0, allow_nan=False, allow_infinity=True),
    st.floats(0, allow_nan=False, allow_infinity=True),
    st.floats(1e-300, 1, exclude_max=True),
)
def test_no_number_overflows_or_warns(epsilon: float, mu: float, delta: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 <= gaussian_delta(epsilon, mu) <= 1
        assert gaussian_epsilon(mu, delta) >= 0
        assert zcdp_epsilon(mu, delta) >= 0
        if epsilon > 0:
            assert gaussian_mu(epsilon, delta) >= 0
            assert zcdp_rho(epsilon, delta) >= 0


def test_the_ends() -> None:
    assert gaussian_sigma(math.inf, 1e-5, releases=4) == 0
    assert gaussian_mu(math.inf, 1e-5) == zcdp_rho(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(math.inf, 1e-5) == zcdp_epsilon(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(0, 1e-5) == zcdp_epsilon(0, 1e-5) == 0
    assert (gaussian_delta(1, 0), gaussian_delta(1, math.inf)) == (0, 1)
    assert gaussian_epsilon(1e-6, 1e-5) == 0, "delta alone pays for a release that moves less than that"
    for accounting in ("pure", "zcdp"):
        assert selection_epsilon(math.inf, 1e-5, selections=3, accounting=accounting) == math.inf  # type: ignore[arg-type]


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan])
def test_an_epsilon_without_sense_is_refused(epsilon: float) -> None:
    for call in (
        lambda: gaussian_mu(epsilon, 1e-5),
        lambda: gaussian_sigma(epsilon, 1e-5),
        lambda: zcdp_rho(epsilon, 1e-5),
        lambda: selection_epsilon(epsilon, 1e-5, selections=1, accounting="pure"),
        lambda: selection_epsilon(epsilon, 1e-5, selections=1, accounting="zcdp"),
    ):
        with pytest.raises(ValueError, match="epsilon"):
            call()


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_delta_without_sense_is_refused(delta: float) -> None:
    for call in (
        lambda: gaussian_epsilon(1, delta),
        lambda: gaussian_sigma(1, delta),
        lambda: zcdp_epsilon(1, delta),
        lambda: zcdp_rho(1, delta),
    ):
        with pytest.raises(ValueError, match="delta"):
            call()


def test_other_numbers_without_sense_are_refused() -> None:
    for sensitivity in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="sensitivity"):
            gaussian_sigma(1, 1e-5, sensitivity=sensitivity)
    with pytest.raises(ValueError, match="releases"):
        gaussian_sigma(1, 1e-5, releases=0)
    with pytest.raises(ValueError, match="selections"):
        selection_epsilon(1, 1e-5, selections=0, accounting="pure")
    with pytest.raises(ValueError, match="pure"):
        selection_epsilon(1, 1e-5, selections=1, accounting="renyi")  # type: ignore[arg-type]
    for call in (lambda: gaussian_epsilon(-1, 0.1), lambda: gaussian_delta(-1, 1), lambda: gaussian_delta(1, math.nan)):
        with pytest.raises(ValueError, match="mu"):
            call()
    with pytest.raises(ValueError, match="rho"):
        zcdp_epsilon(-1, 1e-5)
