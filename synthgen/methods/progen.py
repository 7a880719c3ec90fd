"""ProGen (Ye et al., Findings of EMNLP 2022): a PLM is shown samples of its own that helped its small model.

Each round an STM is trained on nine tenths of a PLM's samples. The influence of each of them on the noise-robust loss
of the other tenth, which is synthetic too, says how much it helps. That loss, ``probability``, is minus the label's
probability: the paper's reverse cross-entropy but for a constant, since its soft target turns -sum_c p_c log q_c into
log(e + C - 1) - p_y. The most helpful of each label are its pool; half of the next prompts show some of them, with
their labels hidden. Several PLMs are as many ProGens side by side whose samples are united at the end, or, with
``pool: shared``, one over all.

The published code computes gradients with dropout on, so that scores are noisy; draws the pool at random up to 10,000
training samples, so that its smaller runs use no influence (``pool_threshold``); tosses a coin for every prompt whether
it shows anything; and orders samples by hashes that change from process to process. Here nothing random takes part in
a score, the share of prompts is exact, and the same samples give the same demonstrations. See docs/methods.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, gcd
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthgen.downstream.influence import ValidationLoss, influence
from synthgen.downstream.stm import STM, Features, FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import equal_quotas, turns
from synthgen.methods.trained import drawn, rows_by_plm, started, train, train_on
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task

SHARED = "shared"


class ProGenOptions(BaseModel):
    """ProGen's own settings; but for ``pool_threshold`` and ``schedule`` the defaults are the paper's.

    ``pool`` says whether every PLM is shown the best of its ``own`` samples, judged by an STM of its own, or all are
    shown the best of all. ``select`` takes the most helpful, the most ``harmful`` or ``random`` ones, of each label as
    many as ``in_context_ratio``; up to ``pool_threshold`` training samples of an STM they are random all the same
    (10,000 in the paper). ``loss`` is what influence is on: ``probability`` is reverse cross-entropy. It is found of at
    most ``influence_samples`` of an STM's training samples. ``held_out`` is the share of an STM's samples, the same of
    each label, that judge the rest; at most ``validation`` in all.

    ``feedback_ratio`` is the share of later prompts that show anything, ``variants`` how many different such prompts
    a label has. ``schedule: doubling`` grows the data as 1, 4, 12, 32, ... (the paper's triggers), ``equal`` in equal
    batches. ``remove_harmful`` leaves out of the dataset, at the end, that share of a label's scored samples: the most
    harmful ones, and none that helps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pool: Literal["own", "shared"] = "own"
    select: Literal["influence", "random", "harmful"] = "influence"
    loss: ValidationLoss = "probability"
    in_context_ratio: Annotated[int, Field(ge=1)] = 50
    pool_threshold: Annotated[int, Field(ge=0)] = 0
    influence_samples: Annotated[int, Field(ge=1)] = 10_000
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[int, Field(ge=1)] = 1000
    feedback_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    variants: Annotated[int, Field(ge=1)] = 8
    schedule: Literal["equal", "doubling"] = "equal"
    remove_harmful: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True)
class _Half:
    """The rows of one STM: what it is trained on, in an order that the ids draw, and what judges that."""

    train: IntArray
    validation: IntArray


class ProGen:
    """The method; ``stm`` makes all its small models. Raises ``UserError`` for settings that cannot be met together."""

    Options = ProGenOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM) -> None:
        self._recipe = recipe
        self._options = options = ProGenOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm
        if recipe.demos > options.in_context_ratio:
            raise UserError(
                f"A pool of {options.in_context_ratio} samples a label cannot show {recipe.demos} demonstrations; "
                "give options.in_context_ratio of at least --demos."
            )
        parts = (recipe.rounds + 1) << recipe.rounds
        if options.schedule == "doubling" and recipe.samples < parts * len(task.labels):
            raise UserError(
                f"With options.schedule=doubling the first of {recipe.rounds + 1} batches is 1/{parts} of the samples; "
                f"give --samples {parts * len(task.labels)} or more, or fewer --rounds."
            )

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask every PLM for the same number of every label, part of it with demonstrations of that label's pool."""
        quotas = self._quotas(round)
        pools: dict[str, dict[str, list[str]]] = {}
        for chosen in demonstrations:
            labels = pools.setdefault(str(chosen.scores["pool"]), {})
            labels.setdefault(chosen.sample.label, []).append(chosen.sample.whole)
        if not pools or not self._options.feedback_ratio:
            return zero_shot(self._task, quotas)
        longest = max(max(quota.values()) for quota in quotas.values()) * self._recipe.attempts
        shown: dict[str, None] = {}
        prompts = {pool: self._prompts(round, pool, texts, longest, shown) for pool, texts in pools.items()}
        everyone = prompts.pop(SHARED, None) if self._options.pool == "shared" else None
        plain = {label: [self._task.zero_shot(label)] for label in self._task.labels}
        return Plan(quotas, everyone or plain, list(shown), prompts)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and one on all, for the record; what chooses is trained by ``select``."""
        return train(samples, stm=self._stm, task=self._task, plms=self._plms)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Return the pools: of each label, its most helpful samples, best first."""
        if round == self._recipe.rounds:
            return []
        features, labels = started(self._stm, samples, self._task)
        chosen: list[Demonstration] = []
        keys = self._keys(samples)
        for pool, rows in self._pools(samples).items():
            half = self._halved(rows, labels, keys)
            if self._options.select == "random" or len(half.train) <= self._options.pool_threshold:
                draw = np.random.default_rng(derive_seed(self._recipe.seed, "pool", round, pool))
                ranked, harm = draw.permutation(half.train), None
            else:
                ranked, harm = self._ranked(features, labels, half)
            for label, name in enumerate(self._task.labels):
                places = np.flatnonzero(labels[ranked] == label)[: self._options.in_context_ratio]
                if len(places) < self._recipe.demos:
                    learned.notes.append(
                        f"The pool {pool} has fewer {name} samples than {self._recipe.demos} to show; its prompts show "
                        "fewer."
                    )
                for place in places:
                    scores: dict[str, float | str] = {"pool": pool}
                    if harm is not None:
                        scores["influence"] = float(harm[place])
                    chosen.append(Demonstration(samples[ranked[place]], scores))
        return chosen

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Train the final STM, with equal weights, on all samples but the most harmful that are to be left out."""
        kept = self._kept(samples) if self._options.remove_harmful else np.ones(len(samples), dtype=bool)
        return train_on(np.flatnonzero(kept), samples, stm=self._stm, task=self._task)

    def example(self, label: str) -> str:
        """Return a prompt with placeholders for the demonstrations."""
        return self._task.few_shot(label, [f"<demonstration {n + 1}>" for n in range(self._recipe.demos)])

    def _quotas(self, round: int) -> Mapping[str, Mapping[str, int]]:
        recipe, labels = self._recipe, self._task.labels
        if self._options.schedule == "equal":
            return equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
        sizes = [0, *triggers(recipe.samples, recipe.rounds)]
        start, count = sizes[round], sizes[round + 1] - sizes[round]
        return {plm: turns(labels, offset + start, count) for offset, plm in enumerate(self._plms)}

    def _prompts(
        self, round: int, pool: str, texts: Mapping[str, Sequence[str]], longest: int, shown: dict[str, None]
    ) -> dict[str, list[str]]:
        """Return a pool's prompts by label, at most ``longest`` each; note in ``shown`` what they show."""
        prompts: dict[str, list[str]] = {}
        for label in self._task.labels:
            plain, few = self._task.zero_shot(label), []
            for variant in range(self._options.variants if label in texts else 0):
                draw = np.random.default_rng(derive_seed(self._recipe.seed, "show", round, pool, label, variant))
                some = [texts[label][place] for place in draw.permutation(len(texts[label]))[: self._recipe.demos]]
                shown.update(dict.fromkeys(some))
                few.append(self._task.few_shot(label, some))
            prompts[label] = mixed(plain, few, self._options.feedback_ratio, longest)
        return prompts

    def _pools(self, samples: Sequence[Sample]) -> dict[str, IntArray]:
        """Return the rows of each STM that judges: a PLM's, or all."""
        if self._options.pool == "shared":
            return {SHARED: np.arange(len(samples))}
        return rows_by_plm(samples, self._plms)

    def _kept(self, samples: Sequence[Sample]) -> NDArray[np.bool_]:
        """Return which samples (n,) do not harm so much that they are left out."""
        kept, keys = np.ones(len(samples), dtype=bool), self._keys(samples)
        features, labels = started(self._stm, samples, self._task)
        for rows in self._pools(samples).values():
            scored, harm = self._influence(features, labels, self._halved(rows, labels, keys))
            kept[_worst(scored, harm, labels, self._options.remove_harmful)] = False
        return kept

    def _halved(self, rows: IntArray, labels: IntArray, keys: IntArray) -> _Half:
        """Hold out the same share of each label: few samples that judge would else favour one label by chance."""
        cap = max(1, self._options.validation // len(self._task.labels))
        train, validation = [rows[:0]], [rows[:0]]
        for label in range(len(self._task.labels)):
            own = _ordered(rows[labels[rows] == label], keys)
            count = min(max(1, round(len(own) * self._options.held_out)), cap, max(0, len(own) - 1))
            validation.append(own[:count])
            train.append(own[count:])
        return _Half(_ordered(np.concatenate(train), keys), np.concatenate(validation))

    def _keys(self, samples: Sequence[Sample]) -> IntArray:
        return drawn(samples, self._recipe.seed, "held out")

    def _influence(self, features: Features, labels: IntArray, half: _Half) -> tuple[IntArray, FloatArray]:
        """Return the rows that were scored and their influence, below 0 where a sample helps."""
        if not len(half.validation):
            return half.train[:0], np.empty(0)
        fit = self._stm.fit(features[half.train], labels[half.train], n_labels=len(self._task.labels))
        scored = np.sort(half.train[: self._options.influence_samples])
        return scored, influence(
            fit,
            validation=(features[half.validation], labels[half.validation]),
            candidates=(features[scored], labels[scored]),
            loss=self._options.loss,
        )

    def _ranked(self, features: Features, labels: IntArray, half: _Half) -> tuple[IntArray, FloatArray]:
        """Return the helpful rows, best first, or the harmful ones, worst first, and their influence."""
        scored, harm = self._influence(features, labels, half)
        sign = -1.0 if self._options.select == "harmful" else 1.0
        order = np.argsort(sign * harm, kind="stable")
        order = order[sign * harm[order] < 0]
        return scored[order], harm[order]


def triggers(samples: int, rounds: int) -> list[int]:
    """Return the total sizes after each of ``rounds + 1`` batches of ProGen's schedule, the last being ``samples``.

    They are in proportion to k 2^(k - 1): a trigger comes when there are k steps of samples, and then the step doubles.
    """
    last = (rounds + 1) << rounds
    return [samples * (number << (number - 1)) // last for number in range(1, rounds + 2)]


def mixed(plain: str, few: Sequence[str], ratio: float, longest: int) -> list[str]:
    """Return prompts to be used in turn, so that of any first q the share ``ratio`` of q, rounded, are of ``few``.

    Those come in turn too. ``longest`` is how many are ever used; the list ends where it would repeat, or there.
    """
    share = Fraction(ratio).limit_denominator(1000) if few else Fraction(0)
    count = max(1, len(few))
    period = share.denominator * (count // gcd(share.numerator, count))
    prompts: list[str] = []
    for place in range(max(1, min(period, longest))):
        before, after = (floor(upto * share + Fraction(1, 2)) for upto in (place, place + 1))
        prompts.append(few[before % count] if after > before else plain)
    return prompts


def _ordered(rows: IntArray, keys: IntArray) -> IntArray:
    return rows[np.argsort(keys[rows], kind="stable")]


def _worst(rows: IntArray, harm: FloatArray, labels: IntArray, share: float) -> IntArray:
    """Return the most harmful ``rows``: of each label that share, rounded down, and none that does no harm."""
    worst = [rows[:0]]
    for label in np.unique(labels[rows]):
        places = np.flatnonzero(labels[rows] == label)
        order = places[np.argsort(-harm[places], kind="stable")][: int(share * len(places))]
        worst.append(rows[order[harm[order] > 0]])
    return np.concatenate(worst)
