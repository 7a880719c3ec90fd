"""Prototypes: synthetic samples chosen by their distances to the centres of the private samples' labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.privacy.clipping import UP
from synthgen.privacy.parties import Records
from synthgen.privacy.sensitivity import Adjacency
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import LIMIT, SCALE, pieces
from synthgen.records import Sample

Embeddings = NDArray[np.float32]
Accounting = Literal["best", "pure", "zcdp"]

REACH = math.sqrt(LIMIT) / SCALE
"""Length that no quantised embedding exceeds, in distances between unit embeddings."""
ROUNDING = 1e-9
"""More than rounding can add to the difference of two distances, in float64 with at most 36,864 dimensions."""
GRID = 2.0**-40
"""Scores under Gaussian noise are cut down to multiples of this; it is part of ``ROUNDING``."""
BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a synthetic sample is scored by the centres of the private samples, one centre a label.

    ``calibrated`` (PCEvolve): within [0, 1] whatever the private samples, so that nothing they do, also many at once,
    moves a score by more than 1. ``margin``: how much nearer the sample is to its own centre than to the nearest other;
    a record moves it less the more ``class_size`` there are, see ``margin_sensitivity``.
    """

    kind: Literal["calibrated", "margin"] = "calibrated"
    tau: float = 10.0
    class_size: int = 10

    def scores(self, records: Records, embeddings: Embeddings, label: int, n_labels: int) -> FloatArray:
        """Return the scores (n,) of samples of ``label`` with quantised ``embeddings`` (n, d)."""
        if self.kind == "calibrated":
            return calibrated(centre_distances(records, embeddings, n_labels), label, self.tau)
        return margin(centre_distances(records, embeddings, n_labels, self.class_size), label)

    def sensitivity(self, adjacency: Adjacency) -> float:
        """Return how far a record can move any one score."""
        return 1.0 if self.kind == "calibrated" else margin_sensitivity(self.class_size, adjacency)


class Prototypes:
    """Up to ``each`` samples a label, chosen by private samples in each of ``rounds`` rounds, within the promise.

    ``exponential``: rounds x labels x each choices by the exponential mechanism, without replacement. They add up over
    labels because every score reads all centres. ``accounting`` adds up their epsilons (``pure``) or composes them as
    zero-concentrated privacy (``zcdp``), which is exact as well and allows more where there are many; ``best`` takes
    the one that allows more. ``gaussian``: all scores of a round are released as one noised vector; the best are taken.

    Raises ``UserError`` where the promise cannot be given: for several parties, as somebody would have to read all
    their samples (a trusted curator); for ``margin`` where the unit is a party; where a label has no private sample.
    That each has one is taken as public, like the labels' names. Scores are defined without one too (all of the label
    are then equal), so that the mechanism itself does not rest on it.
    """

    def __init__(
        self,
        vault: Vault,
        labels: Sequence[str],
        *,
        rounds: int,
        each: int = 1,
        scoring: Scoring | None = None,
        mechanism: Literal["exponential", "gaussian"] = "exponential",
        accounting: Accounting = "best",
    ) -> None:
        self._vault, self._labels, self._rounds, self._each = vault, list(labels), rounds, each
        self._scoring = scoring or Scoring()
        self._mechanism = mechanism
        self._check()
        self._sensitivity = self._scoring.sensitivity(vault.privacy.adjacency)
        self.selections = rounds * len(labels) * each
        kinds = ("pure", "zcdp") if accounting == "best" else (accounting,)
        self.epsilon_each = max(vault.epsilon_each(self.selections, kind) for kind in kinds)

    def choose(self, round: int, samples: Sequence[Sample], labels: IntArray) -> list[int]:
        """Return the positions of the chosen of ``samples`` with label ids ``labels`` (n,), label after label.

        Of a label with no more than ``each`` samples all are taken, and nothing is released.
        """
        groups = {label: np.flatnonzero(labels == label).tolist() for label in range(len(self._labels))}
        asked = {label: rows for label, rows in groups.items() if len(rows) > self._each}
        if self._mechanism == "gaussian" and asked:
            groups |= self._by_noised_scores(round, samples, asked)
        else:
            groups |= {label: self._by_choices(round, samples, label, rows) for label, rows in asked.items()}
        return [row for rows in groups.values() for row in rows]

    def sigma(self, numbers: int) -> float:
        """Return the noise on each of ``numbers`` scores that are released together, a round, as one vector."""
        return self._vault.sigma(self._joint(numbers), self._rounds)

    def outlook(self, candidates: int, spread: float) -> float:
        """Return ``selectivity`` among ``candidates`` a label, where the best score is by ``spread`` above the rest."""
        if self._mechanism == "exponential":
            return selectivity(self.epsilon_each, candidates, spread / self._sensitivity)
        return noised_selectivity(self.sigma(candidates * len(self._labels)), candidates, spread)

    def _check(self) -> None:
        privacy = self._vault.privacy
        if privacy.enabled and self._vault.n_parties > 1:
            raise UserError(
                "The centre of a label needs all its private samples in one place, which several parties do not have; "
                "give one --private FILE."
            )
        if privacy.enabled and privacy.unit == "party" and self._scoring.kind == "margin":
            raise UserError("A margin score protects single records, not parties; take score calibrated.")
        counts = self._vault.owner_counts()
        if absent := [name for number, name in enumerate(self._labels) if number >= len(counts) or not counts[number]]:
            raise UserError(
                f"Every label needs a private sample, and there is none for {', '.join(absent[:5])}; add one, or take "
                "those labels out."
            )

    def _by_choices(self, round: int, samples: Sequence[Sample], label: int, rows: list[int]) -> list[int]:
        left, chosen = list(rows), list[int]()
        for number in range(self._each):
            embeddings = self._vault.embeddings([samples[row] for row in left])

            def scored(records: Records, embeddings: Embeddings = embeddings) -> FloatArray:
                return self._scoring.scores(records, embeddings, label, len(self._labels))

            place = self._vault.release_choice(
                round,
                f"prototype {number + 1} of {self._labels[label]}",
                scored,
                epsilon=self.epsilon_each,
                sensitivity=self._sensitivity,
                detail={"score": self._scoring.kind, "samples": [samples[row].id for row in left]},
            )
            chosen.append(left.pop(place))
        return chosen

    def _by_noised_scores(
        self, round: int, samples: Sequence[Sample], asked: dict[int, list[int]]
    ) -> dict[int, list[int]]:
        embeddings = {label: self._vault.embeddings([samples[row] for row in rows]) for label, rows in asked.items()}

        def scored(records: Records) -> FloatArray:
            parts = [self._scoring.scores(records, embeddings[label], label, len(self._labels)) for label in asked]
            return np.floor(np.concatenate(parts) / GRID)[None] * GRID

        ids = [samples[row].id for rows in asked.values() for row in rows]
        values = self._vault.release_vector(
            round,
            "scores",
            scored,
            sensitivity=self._joint(len(ids)),
            sigma=self.sigma(len(ids)),
            detail={"score": self._scoring.kind, "samples": ids},
        )
        ends = np.cumsum([len(rows) for rows in asked.values()])
        best = [np.argsort(-part, kind="stable")[: self._each] for part in np.split(values, ends[:-1])]
        return {label: [asked[label][at] for at in places] for label, places in zip(asked, best, strict=True)}

    def _joint(self, numbers: int) -> float:
        return self._sensitivity * math.sqrt(numbers) * UP


def centre_distances(
    records: Records, embeddings: Embeddings, n_labels: int, class_size: int | None = None
) -> FloatArray:
    """Return the Euclidean distances (n, C) of ``embeddings`` (n, d) from the mean private embedding of each label.

    With ``class_size`` the sum of a label's embeddings is divided by at least that number. Without, distances from a
    label that has no private sample are infinite. Sums are exact: embeddings are whole numbers.
    """
    distances = np.empty((len(embeddings), n_labels))
    for label in range(n_labels):
        own = records.embeddings[records.labels == label]
        divisor = len(own) if class_size is None else max(len(own), class_size)
        if not divisor:
            distances[:, label] = math.inf
            continue
        centre = own.sum(axis=0, dtype=np.float64) / divisor
        for rows in pieces(slice(0, len(embeddings)), BLOCK):
            apart = embeddings[rows] - centre
            distances[rows, label] = np.sqrt(np.einsum("ij,ij->i", apart, apart)) / SCALE
    return distances


def calibrated(distances: FloatArray, label: int, tau: float) -> FloatArray:
    """Return the scores (n,), in [0, 1], of samples of ``label`` at ``distances`` (n, C) from the centres.

    Samples that are not strictly nearer to their own centre than to all others have 0 (contrastive filter). The rest
    has exp(-tau x) where x goes from 0, the nearest of them, to 1, the furthest (similarity calibrator) [PCEvolve,
    eqs. 1 and 3]; where all are equally near, 1.
    """
    own = distances[:, label]
    passed = own < np.delete(distances, label, axis=1).min(axis=1)
    scores = np.zeros(len(own))
    if passed.any():
        near, far = own[passed].min(), own[passed].max()
        scores[passed] = np.exp(-tau * (own[passed] - near) / (far - near)) if far > near else 1.0
    return scores


def margin(distances: FloatArray, label: int) -> FloatArray:
    """Return (n,) the distance from the nearest other centre minus that from the own, of ``distances`` (n, C)."""
    return np.asarray(np.delete(distances, label, axis=1).min(axis=1) - distances[:, label])


def margin_sensitivity(class_size: int, adjacency: Adjacency) -> float:
    """Return how far one record can move any margin when sums are divided by at least ``class_size`` s, rounded up.

    For all private sets, however few samples a label has. With all embeddings of length at most R (``REACH``), a record
    x added to a label with K others moves its centre by |x - centre| / (K + 1) <= 2 R / (s + 1) where K >= s, and by
    |x| / s <= R / s <= 2 R / (s + 1) where K < s. A margin moves by no more than the centre does: the minimum over
    other labels and the distance from the own are each 1-Lipschitz in it. Removal is the same backwards. A record that
    is replaced by another is removed and added, and may change its label: twice that, 4 R / (s + 1). (The published
    2 / K holds only where labels and the numbers of samples are public and fixed.) Both are attained for R = 1, see the
    tests. Raises ValueError for ``class_size`` < 1.
    """
    if class_size < 1:
        raise ValueError(f"a class has at least one sample, not {class_size}")
    once = 2 * REACH / (class_size + 1) + ROUNDING
    return once if adjacency == "add-remove" else 2 * once


def selectivity(epsilon: float, candidates: int, spread: float = 1.0) -> float:
    """Return the chance of the best of ``candidates`` with the exponential mechanism, in the best case.

    That is when its score is above all others by ``spread`` sensitivities and these are equal: for scores in [0, 1] a
    spread of 1. By chance it would be 1 / candidates.
    """
    return 1 / (1 + (candidates - 1) * math.exp(-epsilon * spread / 2))


def noised_selectivity(sigma: float, candidates: int, spread: float = 1.0) -> float:
    """Return the same where the largest score under Gaussian noise of ``sigma`` is taken; ``spread`` is in scores."""
    from scipy.special import ndtr

    if not sigma:
        return 1.0
    z = np.linspace(-9, 9, 3601)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float((density * ndtr(z + spread / sigma) ** (candidates - 1)).sum() * (z[1] - z[0]))
