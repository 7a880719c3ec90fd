"""FuseGen (Zou et al., EMNLP 2024): several PLMs, one set of demonstrations that all of them can learn from.

Each round trains one STM per PLM from a common start. Samples on which these STMs agree most and least (cross-model
variability) are the candidates; of those, the ones whose upweighting would lower the validation loss of the weighted
union STM most (influence) are shown, unlabelled, to every PLM for every label. Differences to the published code are
listed in docs/methods.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.downstream.dynamics import cross_model
from synthgen.downstream.influence import influence
from synthgen.downstream.stm import STM, Features, Fit, FloatArray, IntArray
from synthgen.downstream.weights import adjust_weights, code_beta, paper_beta
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import equal_quotas
from synthgen.methods.trained import drawn, dynamics_of, fits_on, rows_by_plm, started
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task


class FuseGenOptions(BaseModel):
    """FuseGen's own settings; the defaults are the paper's.

    ``high`` is the share of candidates with high variability (alpha). ``select`` and ``weigh`` take parts away, for
    ablations. ``updates`` and ``beta`` belong to the weight adjustment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    high: Annotated[float, Field(ge=0, le=1)] = 0.5
    select: Literal["influence-cartography", "influence", "cartography", "random"] = "influence-cartography"
    weigh: Literal["adjust", "uniform"] = "adjust"
    updates: Annotated[int, Field(ge=1)] = 30
    beta: Literal["code", "paper"] = "code"
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[int, Field(ge=1)] = 100


@dataclass(frozen=True, slots=True)
class _Scores:
    """What selection needs: rows that were trained on, held-out rows, and the variability of every row."""

    features: Features
    labels: IntArray
    train: IntArray
    validation: IntArray
    confidence: FloatArray
    variability: FloatArray


class FuseGen:
    """The method; ``stm`` makes all its small models."""

    Options = FuseGenOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM) -> None:
        self._recipe = recipe
        self._options = FuseGenOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask every PLM for the same number of every label; zero-shot first, then with the shared demonstrations."""
        recipe, labels = self._recipe, self._task.labels
        quotas = equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
        shown = [demonstration.sample.whole for demonstration in demonstrations]
        if not shown:
            return zero_shot(self._task, quotas)
        return Plan(quotas, {label: [self._task.few_shot(label, shown)] for label in labels}, shown)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and the weighted union STM; score every sample by what the STMs make of it."""
        features, labels = started(self._stm, samples, self._task)
        rows_of = rows_by_plm(samples, self._plms)
        train, validation = self._split(samples, rows_of)
        trained = np.zeros(len(samples), dtype=bool)
        trained[train] = True

        alone = dict(zip(rows_of, self._fit_each(rows_of.values(), features, labels), strict=True))
        union = self._fit(features, labels, train, self._weights(features[train], labels[train]))

        dynamics = dynamics_of(alone, rows_of, labels)
        confidence, variability = dynamics["confidence"], dynamics["variability"]
        notes = []
        if len(rows_of) > 1:
            separate = self._fit_each((rows[trained[rows]] for rows in rows_of.values()), features, labels)
            across = cross_model((fit.predict_proba(features) for fit in separate), labels)
            confidence, variability = across.confidence, across.variability
            dynamics |= {"cross_model_confidence": confidence, "cross_model_variability": variability}
        else:
            notes.append("One PLM has no cross-model variability; candidates are chosen by its training dynamics.")
        scores = _Scores(features, labels, train, validation, confidence, variability)
        return Learned(union, alone, dynamics, notes, scores)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Pick the most helpful of the most and least disputed samples, balanced over the labels."""
        scores: _Scores = learned.scores
        draw = np.random.default_rng(derive_seed(self._recipe.seed, "select", round))
        how = self._options.select
        if how in {"influence-cartography", "cartography"}:
            candidates = self._candidates(scores)
        else:
            count = min(self._recipe.candidates, len(scores.train))
            candidates = draw.choice(scores.train, size=count, replace=False)
        if how in {"influence-cartography", "influence"}:
            harm = influence(
                learned.fit,
                validation=(scores.features[scores.validation], scores.labels[scores.validation]),
                candidates=(scores.features[candidates], scores.labels[candidates]),
            )
            order = np.argsort(harm, kind="stable")
        else:
            harm = np.full(len(candidates), np.nan)
            order = draw.permutation(len(candidates))
        chosen = self._balanced(order, scores.labels[candidates])
        return [
            Demonstration(samples[candidates[place]], self._said(scores, int(candidates[place]), float(harm[place])))
            for place in draw.permutation(chosen)
        ]

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Adjust the weights on all samples and train the final STM with them."""
        features, labels = started(self._stm, samples, self._task)
        weights = self._weights(features, labels)
        return Weighed(weights, self._fit(features, labels, np.arange(len(samples)), weights))

    def example(self, label: str) -> str:
        """Return a prompt with placeholders for the demonstrations."""
        return self._task.few_shot(label, [f"<demonstration {n + 1}>" for n in range(self._recipe.demos)])

    def _fit(self, features: Features, labels: IntArray, rows: IntArray, weights: FloatArray | None = None) -> Fit:
        return self._stm.fit(features[rows], labels[rows], weights, n_labels=len(self._task.labels))

    def _fit_each(self, parts: Iterable[IntArray], features: Features, labels: IntArray) -> Iterator[Fit]:
        return fits_on(parts, features, labels, stm=self._stm, n_labels=len(self._task.labels))

    def _weights(self, features: Features, labels: IntArray) -> FloatArray:
        if self._options.weigh == "uniform":
            return np.ones(len(labels))
        options, n_labels = self._options, len(self._task.labels)
        beta = {"code": code_beta, "paper": paper_beta}[options.beta]
        adjusted = adjust_weights(
            self._stm.fit, features, labels, n_labels=n_labels, updates=options.updates, beta=beta
        )
        return np.asarray(adjusted / adjusted.mean())

    def _split(self, samples: Sequence[Sample], rows_of: dict[str, IntArray]) -> tuple[IntArray, IntArray]:
        """Hold out a share of each PLM's samples, decided by their ids; cap what validates at ``validation`` in all."""
        train, validation = [], []
        keys = drawn(samples, self._recipe.seed, "held out")
        cap = max(1, self._options.validation // len(rows_of))
        for rows in rows_of.values():
            order = rows[np.argsort(keys[rows], kind="stable")]
            count = max(1, round(len(rows) * self._options.held_out)) if len(rows) > 1 else 0
            validation.append(order[: min(count, cap)])
            train.append(order[count:])
        return np.sort(np.concatenate(train)), np.sort(np.concatenate(validation))

    def _candidates(self, scores: _Scores) -> IntArray:
        """Return the R rows of lowest and highest variability; all of them where there are no more than R."""
        wanted = self._recipe.candidates
        ordered = scores.train[np.argsort(scores.variability[scores.train], kind="stable")]
        if len(ordered) <= wanted:
            return ordered
        high = int(wanted * self._options.high)
        return np.concatenate([ordered[: wanted - high], ordered[len(ordered) - high :]])

    def _balanced(self, order: IntArray, labels: IntArray) -> list[int]:
        """Take places in ``order``, no label more often than its equal share while others can still fill up."""
        wanted = min(self._recipe.demos, len(order))
        share = -(-wanted // len(self._task.labels))
        left = np.full(len(self._task.labels), share)
        taken: list[int] = []
        rest: list[int] = []
        for place in order.tolist():
            some = taken if len(taken) < wanted and left[labels[place]] else rest
            left[labels[place]] -= some is taken
            some.append(place)
        return taken + rest[: wanted - len(taken)]

    @staticmethod
    def _said(scores: _Scores, row: int, harm: float) -> dict[str, float | str]:
        said: dict[str, float | str] = {
            "confidence": round(float(scores.confidence[row]), 6),
            "variability": round(float(scores.variability[row]), 6),
        }
        if not np.isnan(harm):
            said["influence"] = harm
        return said
