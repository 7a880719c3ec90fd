"""Means over seeds with their uncertainty: Student's t-intervals, also of paired differences."""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any

LEVEL = 0.95


def t_interval(values: Sequence[float], level: float = LEVEL) -> list[float] | None:
    """Return ``mean -+ t(level, n - 1) * sd / sqrt(n)`` as [low, high]; None below two values.

    Holds for values that are independent and about normal. With two values it is 12.7 standard errors wide on each
    side, with five 2.8: few seeds say little.
    """
    count = len(values)
    if count < 2:
        return None
    from scipy import stats

    reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * stdev(values) / sqrt(count)
    return [mean(values) - reach, mean(values) + reach]


def paired_difference(values: Mapping[Any, Sequence[float]], others: Mapping[Any, Sequence[float]]) -> dict[str, Any]:
    """Return how much ``values`` exceed ``others`` (shares, by seed), in percentage points, over the seeds both have.

    ``points`` is the mean difference or None without a pair, ``interval`` its 95 % t-interval or None below two pairs,
    ``by_seed`` the differences in the order of ``values``. A seed with several values counts once, with their mean.
    """
    by_seed = {seed: 100 * (mean(values[seed]) - mean(others[seed])) for seed in values if seed in others}
    points = list(by_seed.values())
    return {
        "points": mean(points) if points else None,
        "interval": t_interval(points),
        "pairs": len(points),
        "by_seed": [{"seed": seed, "points": value} for seed, value in by_seed.items()],
    }
