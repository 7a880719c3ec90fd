"""Exact samplers for differential privacy: whole numbers from random bits to noise, no floating point in between.

A Gaussian computed in floating point leaks through the gaps in its last bits [Mironov 2012]; a sampler over the
integers has none. The time a draw takes is random too and is not hidden: who can time single draws is not covered.
"""

import math
import os
import random
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_WORD = 1 << 64
_WORDS_AT_ONCE = 1024
# Sigma is at least 2^_FINE steps of the grid, and the grid is at least as fine as 2^-_FINE.
_FINE = 64
_forks = 0


class Source(Protocol):
    """Where randomness comes from."""

    def randbelow(self, n: int) -> int:
        """Return a uniform integer in [0, n), n >= 1, independent of all others."""


class SystemSource:
    """The operating system's entropy, read 8 KiB at a time; threads may share one, and a forked child reads afresh."""

    def __init__(self) -> None:
        self._words: Iterator[int] = iter(())
        self._fork = _forks

    def randbelow(self, n: int) -> int:
        """Return a uniform integer in [0, n); raises ValueError for n < 1."""
        if n == _WORD:
            return self._word()
        if n < 1:
            raise ValueError(f"no whole number is at least 0 and below {n}")
        bits = (n - 1).bit_length()
        while True:
            value, have = 0, 0
            while have < bits:
                value, have = value << 64 | self._word(), have + 64
            value >>= have - bits
            if value < n:
                return value

    def _word(self) -> int:
        # next() on a built-in iterator is atomic: no two threads are ever given the same word.
        word = next(self._words, None) if self._fork == _forks else None
        while word is None:
            self._fork = _forks
            self._words = words = iter(array("Q", os.urandom(8 * _WORDS_AT_ONCE)))
            word = next(words, None)
        return word


class SeededSource:
    """The same numbers again for the same ``seed``. For tests only: who knows the seed can take the noise off."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def randbelow(self, n: int) -> int:
        """Return a uniform integer in [0, n); raises ValueError for n < 1."""
        return self._random.randrange(n)


def bernoulli_exp(numerator: int, denominator: int, source: Source) -> bool:
    """Return True with probability exp(-numerator/denominator), exactly [Canonne, Kamath, Steinke 2020, Alg. 1].

    Raises ValueError for a negative numerator or a denominator below 1.
    """
    if numerator < 0 or denominator < 1:
        raise ValueError(f"exp(-{numerator}/{denominator}) is no probability")
    whole, numerator = divmod(numerator, denominator)
    return all(_bernoulli_exp_upto_one(1, 1, source) for _ in range(whole)) and _bernoulli_exp_upto_one(
        numerator, denominator, source
    )


def discrete_gaussian(sigma: int, count: int, source: Source) -> list[int]:
    """Return ``count`` independent integers from N_Z(0, sigma^2): Pr[x] proportional to exp(-x^2 / 2 sigma^2), exactly.

    ``sigma`` is a whole number >= 1 of any size [Canonne, Kamath, Steinke 2020, Alg. 2 and 3 with t = sigma].
    Raises ValueError for sigma < 1 or a negative count.
    """
    if sigma < 1 or count < 0:
        raise ValueError(f"cannot draw {count} numbers with a standard deviation of {sigma}")
    return [_discrete_gaussian(sigma, source) for _ in range(count)]


def noised_steps(values: NDArray[np.float64], sigma: float, source: Source) -> tuple[list[int], int]:
    """Return (n, k): ``values`` (flattened) with Gaussian noise of ``sigma`` > 0 are n / 2^k, n being Python integers.

    k depends on ``sigma`` alone, never on the values: a grid as fine as the data ask for would tell about the data.
    So parties that know only sigma add up their integers without a rounding of their own.

    Sigma is s >= 2^64 whole steps of the grid (a float64 always is a whole number of them). Let p be the discrete
    and q the rounded continuous Gaussian, q(x) = integral of phi over x +- 1/2. Jensen's inequality gives
    q(x) >= phi(x) exp(-1/(24 s^2)), and p(x) <= phi(x) as the sum of all phi(x) is above 1 (Poisson summation).
    So the total variation between p and q is at most 1/(24 s^2) < 2^-132 a number, and n numbers released under the
    noise are (epsilon, delta + (1 + e^epsilon) n 2^-132)-private, where (epsilon, delta) is the promise of the
    continuous Gaussian, of which q is post-processing because the values are whole steps.

    Raises ValueError where a value is not finite or is no multiple of 2^-k (any sum of multiples of 2^-64 is one),
    and where sigma is not positive and finite.
    """
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma must be positive and finite, not {sigma}")
    k = max(_FINE, _FINE + 1 - math.frexp(sigma)[1])
    steps = [_whole_steps(value, k) for value in np.asarray(values, dtype=np.float64).ravel().tolist()]
    noise = discrete_gaussian(_whole_steps(sigma, k), len(steps), source)
    return [step + extra for step, extra in zip(steps, noise, strict=True)], k


def add_gaussian(values: NDArray[np.float64], sigma: float, source: Source) -> tuple[NDArray[np.float64], float]:
    """Return ``values`` (any shape) with independent Gaussian noise on each number, and the sigma really used.

    The noise is added as ``noised_steps`` says, where the bound is, and the sum is rounded once to float64, which is
    post-processing. ``sigma`` 0 returns a copy of the values. Raises ValueError where a value is not finite or lies
    off the grid, and for a sigma that is negative or not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if sigma == 0:
        if not np.isfinite(values).all():
            raise ValueError("only finite numbers can be released")
        return values.copy(), 0.0
    steps, k = noised_steps(values, sigma, source)
    scale = 1 << k
    # Division of Python integers rounds correctly; numpy would go through a float that is too short.
    noised = np.array([step / scale for step in steps], dtype=np.float64).reshape(values.shape)
    return noised, _whole_steps(sigma, k) / scale


def exponential_choice(
    utilities: Sequence[float], *, epsilon: float, sensitivity: float, source: Source, monotone: bool = False
) -> int:
    """Return the position i with probability proportional to exp(epsilon u_i / (2 sensitivity)), exactly.

    ``sensitivity`` bounds how far one record moves any single utility as it is given here, rounding included.
    ``monotone``: a record moves all utilities in the same direction, and the factor 2 is not needed. The
    exponential mechanism of McSherry and Talwar (2007) by rejection on exact fractions: a uniform candidate is kept
    with the probability exp(-(max u - u_i) ...), after at most len(utilities) candidates on average.
    ``epsilon`` inf: the first maximum, which is not private. Raises ValueError where there is no utility or one is
    not finite, and where epsilon is not positive or sensitivity not positive and finite.
    """
    exact = [float(utility) for utility in utilities]
    if not exact or not all(map(math.isfinite, exact)):
        raise ValueError("a choice needs at least one utility, and finite ones only")
    if not (epsilon > 0 and 0 < sensitivity < math.inf):
        raise ValueError(f"epsilon and sensitivity must be positive, not {epsilon} and {sensitivity}")
    best = max(exact)
    if math.isinf(epsilon):
        return exact.index(best)
    scale = Fraction(epsilon) / (Fraction(sensitivity) * (1 if monotone else 2))
    # All losses as integers over one denominator: candidates are many, and reducing fractions costs more than drawing.
    k = max(utility.as_integer_ratio()[1].bit_length() - 1 for utility in exact)
    top, denominator = _whole_steps(best, k), scale.denominator << k
    while True:
        candidate = source.randbelow(len(exact))
        loss = (top - _whole_steps(exact[candidate], k)) * scale.numerator
        if bernoulli_exp(loss, denominator, source):
            return candidate


def _discrete_gaussian(sigma: int, source: Source) -> int:
    twice = 2 * sigma * sigma
    while True:
        # A discrete Laplace of scale sigma: sign, remainder and quotient by sigma of its magnitude.
        remainder, negative = divmod(source.randbelow(2 * sigma), 2)
        if not _bernoulli_exp_upto_one(remainder, sigma, source):
            continue
        quotient = 0
        while _bernoulli_exp_upto_one(1, 1, source):
            quotient += 1
        magnitude = remainder + sigma * quotient
        if negative and not magnitude:  # or 0 would be drawn twice as often
            continue
        if bernoulli_exp((magnitude - sigma) ** 2, twice, source):
            return -magnitude if negative else magnitude


def _bernoulli_exp_upto_one(numerator: int, denominator: int, source: Source) -> bool:
    """Return True with probability exp(-p), p = numerator/denominator <= 1: 1 - p + p^2/2! - ... by parity."""
    trials = 1
    scaled = denominator
    while _bernoulli(numerator, scaled, source):
        trials += 1
        scaled += denominator
    return trials % 2 == 1


def _bernoulli(numerator: int, denominator: int, source: Source) -> bool:
    """Return True with probability numerator/denominator <= 1: a uniform binary fraction, 64 digits at a time."""
    while True:
        digits, numerator = divmod(numerator << 64, denominator)
        word = source.randbelow(_WORD)
        if word != digits:
            return word < digits


def _whole_steps(value: float, k: int) -> int:
    if not math.isfinite(value):
        raise ValueError("only finite numbers can be released")
    numerator, denominator = value.as_integer_ratio()
    steps, rest = divmod(numerator << k, denominator)
    if rest:
        raise ValueError(f"only multiples of 2^-{k} can be released under this sigma")
    return steps


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
