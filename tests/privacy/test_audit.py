"""A statistical audit: how much do real releases tell apart two neighbouring private sets?

Whoever sees a release guesses which of two neighbouring sets was behind it. Under (epsilon, delta) every event has
P(event | one) <= e^epsilon P(event | other) + delta, so the frequencies of an event bound epsilon from below. The
event is chosen on one half of the runs and measured on the other, by Clopper-Pearson at 99.9 %.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import betaincinv

from synthgen.privacy.accounting import gaussian_sigma
from synthgen.privacy.noise import SystemSource, add_gaussian, exponential_choice
from synthgen.privacy.sensitivity import Adjacency, Design, histogram_sensitivity

RUNS = 20_000
WRONG = 0.001
Scores = NDArray[np.float64]


def surely_above(count: int, runs: int) -> float:
    return float(betaincinv(count, runs - count + 1, WRONG / 2)) if count else 0.0


def surely_below(count: int, runs: int) -> float:
    return float(betaincinv(count + 1, runs - count, 1 - WRONG / 2)) if count < runs else 1.0


def epsilon_of_event(one: Scores, other: Scores, threshold: float, delta: float) -> float:
    """Return the lower bound on epsilon from the event that the score reaches the threshold."""
    likely = surely_above(int((one >= threshold).sum()), len(one)) - delta
    return math.log(likely / surely_below(int((other >= threshold).sum()), len(other))) if likely > 0 else 0.0


def audited_epsilon(one: Scores, other: Scores, delta: float) -> float:
    """Return the lower bound on epsilon from one score a run; large scores speak for ``one``."""
    half = len(one) // 2
    thresholds = np.unique(np.quantile(np.concatenate([one[:half], other[:half]]), np.linspace(0, 1, 200)))
    sides = [(one, other, thresholds), (-other, -one, -thresholds)]
    _, event, (likely, unlikely, _) = max(
        (
            (epsilon_of_event(side[0][:half], side[1][:half], threshold, delta), threshold, side)
            for side in sides
            for threshold in side[2].tolist()
        ),
        key=lambda found: found[0],
    )
    return epsilon_of_event(likely[half:], unlikely[half:], event, delta)


def histograms(private: list[float], pool: int, q: int, design: Design) -> Scores:
    """Return the votes of private angles for a pool of samples along half a circle."""
    angles = np.linspace(0, math.pi, pool)
    near, far = np.zeros(pool), np.zeros(pool)
    for angle in private:
        order = np.argsort(-np.cos(angles - angle), kind="stable")
        near[order[:q]] += 0.5 ** np.arange(q)
        far[order[::-1][:q]] += 0.5 ** np.arange(q)
    return {"near": near, "two": np.concatenate([near, far]), "signed": near - far}[design]


def released(histogram: Scores, releases: int, sigma: float) -> Scores:
    """Return RUNS runs of ``releases`` noised histograms each, through the real release path."""
    return add_gaussian(np.tile(histogram, (RUNS, releases, 1)), sigma, SystemSource())[0]


@pytest.mark.parametrize(
    ("design", "adjacency", "releases", "epsilon", "seen"),
    [("signed", "replace-one", 2, 4.0, 1.0), ("near", "add-remove", 1, 2.0, 0.4)],
)
def test_histograms_tell_no_more_than_promised(
    design: Design, adjacency: Adjacency, releases: int, epsilon: float, seen: float
) -> None:
    delta, q = 1e-5, 2
    private = [0.0, 1.4, 2.0]
    neighbour = private[1:] if adjacency == "add-remove" else [math.pi, *private[1:]]
    one, other = (histograms(data, 2 * q, q, design) for data in (private, neighbour))
    sensitivity = histogram_sensitivity(q, design=design, adjacency=adjacency)
    assert np.linalg.norm(one - other) == pytest.approx(sensitivity), (
        "this is the worst pair, so the audit is a hard one"
    )
    sigma = gaussian_sigma(epsilon, delta, sensitivity=sensitivity, releases=releases)

    def audit(sigma: float) -> float:
        direction = one - other
        scores = [(released(votes, releases, sigma) @ direction).sum(axis=1) for votes in (one, other)]
        return audited_epsilon(scores[0], scores[1], delta)

    found = audit(sigma)
    assert seen < found <= epsilon
    assert audit(sigma / 3) > epsilon, "noise three times too small is not noticed"


def test_choices_tell_no_more_than_promised() -> None:
    """One record lowers the first utility by the sensitivity and raises all the others by it: the worst pair."""
    epsilon, others = 1.0, 19
    one, other = [1.0] + [0.0] * others, [0.0] + [1.0] * others

    def audit(used: float) -> float:
        source = SystemSource()
        scores = [
            np.array(
                [exponential_choice(utilities, epsilon=used, sensitivity=1.0, source=source) == 0 for _ in range(RUNS)]
            ).astype(np.float64)
            for utilities in (one, other)
        ]
        return audited_epsilon(scores[0], scores[1], 0.0)

    assert 0.4 < audit(epsilon) <= epsilon
    assert audit(3 * epsilon) > epsilon, "an epsilon three times too large is not noticed"
