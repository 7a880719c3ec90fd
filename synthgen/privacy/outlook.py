"""What a budget buys, before anything is generated: votes to be expected, beside the noise on them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from synthgen.downstream.stm import FloatArray
from synthgen.privacy.ballots import Ballots
from synthgen.privacy.directions import Directions
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import SCALE

POPULARITY = 0.75
"""Votes gather on few samples: the j-th most wanted gets a share in proportion to j ** -0.75. Fitted by eye to recorded
votes of WASP (top five of 100 private samples: 17.2, 10.7, 9.3, 8.2, 7.5)."""
SPREAD = 0.04
"""By how much the mean cosine to the private samples differs from one synthetic sample to the next, as a standard
deviation: a round figure for both embedders that were tried on recorded pools."""
DRAWS = 200
ENOUGH = 0.25
"""Share of the shown samples that should be rightly among the best, on average."""


def sum_outlook(vault: Vault, directions: Directions, *, pool: int, shown: int) -> dict[str, Any]:
    """Return what the one release of sums buys for a label with ``pool`` samples, ``shown`` of which are to be chosen.

    It tells how many private samples there are, so it is for their owner alone. The private samples are not looked at:
    their cosine to the synthetic samples is taken to differ by ``SPREAD`` from sample to sample.
    """
    typical = int(np.median(vault.owner_counts()))
    sigma, shown = directions.sigma / SCALE, min(shown, pool)

    def right(records: int) -> float:
        return _overlap(lambda draw: draw.normal(0, records * SPREAD, pool), pool, shown, sigma)

    said = _common(vault, typical, sigma, directions.sensitivity / SCALE, right(typical), shown, pool)
    said["released"] = f"once: {vault.dimensions} numbers a label"
    said["difference_expected"] = f"{typical * SPREAD:.1f} from sample to sample, under noise of {sigma:.2f}"
    if sigma and right(typical) < ENOUGH * shown:
        said["verdict"] = _verdict(vault, typical, right, shown)
    return said


def vote_outlook(
    vault: Vault, ballots: Ballots, *, pool: int, shown: int, rounds: int, votes: int, signed: bool
) -> dict[str, Any]:
    """Return what ``rounds`` histograms of votes buy, as ``sum_outlook`` does; a usual spread of votes is simulated."""
    typical = int(np.median(vault.owner_counts()))
    share = np.arange(1, pool + 1) ** -POPULARITY
    share /= share.sum()
    weights, shown = 0.5 ** np.arange(votes), min(shown, pool)

    def wanted(records: int, draw: np.random.Generator) -> FloatArray:
        near = weights @ draw.multinomial(records, share, size=votes)
        return near - weights @ draw.multinomial(records, draw.permutation(share), size=votes) if signed else near

    def right(records: int) -> float:
        return _overlap(lambda draw: wanted(records, draw), pool, shown, ballots.sigma)

    said = _common(vault, typical, ballots.sigma, ballots.sensitivity, right(typical), shown, pool)
    most = np.mean([wanted(typical, np.random.default_rng(seed)).max() for seed in range(DRAWS)])
    said["released"] = f"{rounds} times: a number for every sample"
    said["most_votes_expected"] = round(float(most), 1)
    if ballots.sigma and right(typical) < ENOUGH * shown:
        said["verdict"] = _verdict(vault, typical, right, shown)
    return said


def _common(
    vault: Vault, typical: int, sigma: float, sensitivity: float, right: float, shown: int, pool: int
) -> dict[str, Any]:
    return {
        "epsilon": "inf" if math.isinf(vault.epsilon) else vault.epsilon,
        "delta": vault.privacy.delta,
        "private_samples": int(vault.owner_counts().sum()),
        "private_samples_of_a_label": typical,
        "sensitivity": round(sensitivity, 4),
        "sigma": round(sigma, 3),
        "right_of_shown": f"{right:.1f} of {shown} (by chance {shown**2 / pool:.2f})",
    }


def _verdict(vault: Vault, typical: int, right: Callable[[int], float], shown: int) -> str:
    enough = max(typical, 1)
    while right(enough) < ENOUGH * shown and enough < 10**6:
        enough = 2 * enough
    return (
        f"{typical} private samples a label are few for epsilon {vault.epsilon:g}: noise chooses most demonstrations. "
        f"About {enough} a label would do, or a larger epsilon."
    )


def _overlap(true: Callable[[np.random.Generator], FloatArray], pool: int, shown: int, sigma: float) -> float:
    """Return how many of the ``shown`` best by noised values are among the true best, on average."""
    draw = np.random.default_rng(0)
    right = []
    for _ in range(DRAWS):
        values = true(draw)
        noised = values + draw.normal(0, sigma, pool) if sigma else values
        right.append(len(set(np.argsort(-noised)[:shown]) & set(np.argsort(-values, kind="stable")[:shown])))
    return float(np.mean(right))
