"""Exact privacy accounting: the Gaussian mechanism, zero-concentrated privacy, the exponential mechanism.

T Gaussian releases, each of L2 sensitivity D under noise sigma, compose (also adaptively) to one Gaussian release
with ``mu = D * sqrt(T) / sigma`` [Dong, Roth, Su 2022, Cor. 3.3], so one number ``mu`` carries the whole run. Every
answer is rounded in the direction that can only cost utility, by bounds on the floating-point error, and calibration
keeps three times the margin that checking asks for: ``gaussian_epsilon`` never finds more than was promised.
"""

import math
from collections.abc import Callable
from typing import Literal

from scipy.special import erfcx, ndtr

_SMALLEST_DELTA = 1e-300
_ULP = 2.0**-52
# What scipy's erfcx and ndtr promise, relative, is about 1e-13.
_FUNCTION_ERROR = 2.0**-43
_UP = 1 + 4 * _ULP


def gaussian_delta(epsilon: float, mu: float) -> float:
    """Return the smallest delta for which a Gaussian release is (``epsilon``, delta)-private.

    ``Phi(-eps/mu + mu/2) - exp(eps) Phi(-eps/mu - mu/2)`` [Balle and Wang 2018, Thm 8]. ``mu`` is the L2 sensitivity
    over sigma (0: nothing is released; inf: no noise). The exponentials are taken together with the tails, so that
    nothing overflows. Raises ValueError where epsilon or mu is negative or not a number.
    """
    return _delta_and_error(epsilon, mu)[0]


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the smallest epsilon >= 0 that a Gaussian release of ``mu`` keeps at ``delta``, rounded up.

    inf where ``mu`` is inf. Raises ValueError for a negative ``mu`` or a ``delta`` outside [1e-300, 1).
    """
    _check_delta(delta)
    if math.isinf(mu) and mu > 0:
        return math.inf
    if _within(0.0, mu, delta, margin=1):
        return 0.0
    return _flip(lambda epsilon: not _within(epsilon, mu, delta, margin=1))[1]


def gaussian_mu(epsilon: float, delta: float) -> float:
    """Return the largest ``mu`` (sensitivity over sigma) that keeps (``epsilon``, ``delta``), rounded down.

    inf where ``epsilon`` is inf. Raises ValueError for epsilon <= 0 or a ``delta`` outside [1e-300, 1).
    """
    _check_budget(epsilon, delta)
    if math.isinf(epsilon):
        return math.inf
    return _flip(lambda mu: _within(epsilon, mu, delta, margin=3))[0]


def gaussian_sigma(epsilon: float, delta: float, *, sensitivity: float = 1.0, releases: int = 1) -> float:
    """Return the standard deviation for ``releases`` Gaussian releases that together keep (``epsilon``, ``delta``).

    Each release may move by at most ``sensitivity`` in L2. Rounded up; 0 where epsilon is inf. Raises ValueError for
    epsilon <= 0, delta outside [1e-300, 1), a sensitivity that is not positive and finite, releases < 1.
    """
    if not 0 < sensitivity < math.inf:
        raise ValueError(f"the sensitivity must be positive and finite, not {sensitivity}")
    _check_count(releases, "releases")
    mu = gaussian_mu(epsilon, delta)
    return sensitivity * math.sqrt(releases) / mu * _UP


def zcdp_epsilon(rho: float, delta: float) -> float:
    """Return an epsilon that every ``rho``-zCDP mechanism keeps at ``delta``, rounded up.

    The minimum over the order a > 1 of ``rho a + ln(1/(a delta))/(a-1) + ln(1 - 1/a)`` [Canonne, Kamath, Steinke
    2020, Prop. 12 with Cor. 13]. Raises ValueError for a negative ``rho`` or a ``delta`` outside [1e-300, 1).
    """
    _check_delta(delta)
    if not rho >= 0:
        raise ValueError(f"rho must be 0 or more, not {rho}")
    if rho == 0 or math.isinf(rho):
        return rho
    nats = -math.log(delta)
    # With x = a - 1 the minimum is where rho x^2 + ln(1 + x) = ln(1/delta); any x gives a valid epsilon.
    x = _flip(lambda x: rho * x * x + math.log1p(x) <= nats)[0]
    terms = (rho * (1 + x), nats / x, -math.log1p(x) / x, -math.log1p(1 / x))
    return max(0.0, math.fsum(terms) + 8 * _ULP * sum(map(abs, terms)))


def zcdp_rho(epsilon: float, delta: float) -> float:
    """Return the largest ``rho`` for which ``zcdp_epsilon(rho, delta) <= epsilon``, rounded down.

    inf where epsilon is inf. Raises ValueError for epsilon <= 0 or a ``delta`` outside [1e-300, 1).
    """
    _check_budget(epsilon, delta)
    if math.isinf(epsilon):
        return math.inf
    return _flip(lambda rho: zcdp_epsilon(rho, delta) <= epsilon)[0]


def selection_epsilon(epsilon: float, delta: float, *, selections: int, accounting: Literal["pure", "zcdp"]) -> float:
    """Return the epsilon of each of ``selections`` exponential-mechanism selections that together keep the budget.

    ``pure``: epsilon / selections, an (epsilon, 0) promise; ``delta`` is not used. ``zcdp``: a selection with
    exp(eps u / 2D) has a privacy loss within a range of eps and is therefore eps^2/8-zCDP [Cesar and Rogers 2021;
    Dong, Durfee, Rogers 2020]; the promise is (epsilon, delta), and allows more each where there are many.
    Rounded down; inf where epsilon is inf. Raises ValueError like ``zcdp_rho``, for selections < 1 and any other word.
    """
    _check_count(selections, "selections")
    if accounting == "pure":
        _check_epsilon(epsilon)
        return epsilon / selections / _UP
    if accounting == "zcdp":
        return math.sqrt(8 * zcdp_rho(epsilon, delta) / selections) / _UP
    raise ValueError(f"accounting is 'pure' or 'zcdp', not {accounting!r}")


def _delta_and_error(epsilon: float, mu: float) -> tuple[float, float]:
    """Return delta and a bound on the floating-point error of it.

    With s = eps/mu - mu/2 and t = eps/mu + mu/2 we have t^2 = s^2 + 2 eps, so that exp(eps) Phi(-t) is
    exp(-s^2/2) erfcx(t/sqrt 2)/2, and for s >= 0 the first term has the same factor, which comes out.
    """
    if not (epsilon >= 0 and mu >= 0):
        raise ValueError(f"epsilon and mu must be 0 or more, not {epsilon} and {mu}")
    if mu == 0 or math.isinf(epsilon):
        return 0.0, 0.0
    if math.isinf(mu):
        return 1.0, 0.0
    s, t = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if s > 40:  # Phi(-40) < 1e-349
        return 0.0, _SMALLEST_DELTA / 10
    scale = math.exp(-s * s / 2) / 2
    first = scale * float(erfcx(s / math.sqrt(2))) if s >= 0 else float(ndtr(-s))
    second = scale * float(erfcx(t / math.sqrt(2)))
    delta = min(1.0, max(0.0, first - second))
    # s carries the rounding error of t; it enters through erfcx and through the factor exp(-s^2/2).
    error = (_FUNCTION_ERROR + 2 * _ULP * t) * (first + second) + 4 * _ULP * t * t * delta
    return delta, error + _SMALLEST_DELTA / 10


def _within(epsilon: float, mu: float, delta: float, *, margin: int) -> bool:
    value, error = _delta_and_error(epsilon, mu)
    return value + margin * error <= delta


def _flip(holds: Callable[[float], bool]) -> tuple[float, float]:
    """Return neighbouring floats (low, high) where ``holds`` is true at low, false at high; it is true near 0."""
    low, high = 0.0, 1.0
    while high < math.inf and holds(high):
        low, high = high, high * 2
    while low == 0 and high > 0 and not holds(high / 2):
        high /= 2
    low = low or high / 2
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high


def _check_budget(epsilon: float, delta: float) -> None:
    _check_epsilon(epsilon)
    _check_delta(delta)


def _check_epsilon(epsilon: float) -> None:
    if not epsilon > 0:
        raise ValueError(f"epsilon must be above 0, not {epsilon}")


def _check_delta(delta: float) -> None:
    if not _SMALLEST_DELTA <= delta < 1:
        raise ValueError(f"delta must be at least {_SMALLEST_DELTA} and below 1, not {delta}")


def _check_count(count: int, what: str) -> None:
    if count < 1 or count != int(count):
        raise ValueError(f"{what} must be a whole number above 0, not {count}")
