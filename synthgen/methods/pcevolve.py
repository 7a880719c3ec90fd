"""PCEvolve (Zhang et al., ICML 2025) for text: private samples choose a prototype a label, and the PLMs vary it.

Round 0 is zero-shot. After each of T rounds the exponential mechanism chooses, among a label's samples of that round
alone, one that is near the centre of the label's private samples and nearer to it than to the other centres; the next
round is variations of these prototypes. The dataset is the last generation, after which nothing is chosen. At the
published budgets a choice is nearly blind; ``outlook`` says how blind.

A score lies in [0, 1] whatever the private samples are. So the promise covers records that are added, removed or
replaced, label and all, and it covers whole parties as well: ``unit: party`` costs nothing. It takes a curator who may
read all private samples: several parties are refused.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthgen.downstream.stm import STM, FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed
from synthgen.methods.quotas import batch, equal_quotas
from synthgen.methods.trained import label_ids, train, train_on
from synthgen.methods.variations import Kind, Variations
from synthgen.privacy.prototypes import Accounting, Prototypes, Scoring
from synthgen.privacy.vault import Vault
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.samples import Picked
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task

MARGIN = 0.3
"""A usual distance, in margin, between the best sample and the rest; for plans."""
BLIND = 2.0
"""Times chance below which a choice is called blind."""
REMEDY = {
    "calibrated": "--set options.score=margin",
    "margin": "more private samples with a larger --set options.class_size",
}
SWEEPS = 50
PIECE = 512


class PCEvolveOptions(BaseModel):
    """PCEvolve's own settings; but for ``accounting`` the defaults are the paper's.

    ``prototypes`` are chosen for each label and round. ``score`` and ``mechanism`` say how: ``calibrated`` with ``tau``
    by the ``exponential`` mechanism is the paper's, ``gaussian`` its PCEvolve-GM. ``margin`` uses that many samples
    have a steadier centre; ``class_size`` is a public guess at how many a label has; no promise rests on it.
    ``select: random`` asks no private sample: the control. ``medoids`` > 0 thins a label's candidates to so many that
    stand for the rest. ``vary`` is how: ``imitate`` is the pocket profile's, ``rephrase`` the paper profile's; ``mask``
    and ``spread`` belong to ``blanks``. ``explore`` is the share of later prompts that vary nothing. ``release`` says
    which generations are the dataset. For ``accounting`` see ``Prototypes``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prototypes: Annotated[int, Field(ge=1)] = 1
    score: Literal["calibrated", "margin"] = "calibrated"
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    class_size: Annotated[int, Field(ge=1)] = 10
    mechanism: Literal["exponential", "gaussian"] = "exponential"
    select: Literal["private", "random"] = "private"
    medoids: Annotated[int, Field(ge=0)] = 0
    vary: Kind | None = None
    mask: Annotated[float, Field(gt=0, le=1)] = 0.5
    spread: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 40.0
    explore: Annotated[float, Field(ge=0, lt=1)] = 0.0
    release: Literal["last", "all"] = "last"
    accounting: Accounting = "best"


class PCEvolve:
    """The method; ``vault`` holds the private samples."""

    Options = PCEvolveOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM, vault: Vault) -> None:
        self._recipe = recipe
        self._options = options = PCEvolveOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm
        self._vault = vault
        kind: Kind = options.vary or ("imitate" if recipe.profile == "pocket" else "rephrase")
        self._variations = Variations(task, kind, options.mask, options.spread)
        if not recipe.rounds:
            raise UserError("PCEvolve needs at least one round of choices; give --rounds 1 or more.")
        if 0 < options.medoids <= options.prototypes:
            raise UserError(f"{options.prototypes} prototypes cannot be chosen from {options.medoids} medoids.")
        self._prototypes = None
        if options.select == "private":
            vault.assume("that every label has a private sample")
            self._prototypes = Prototypes(
                vault,
                task.labels,
                rounds=recipe.rounds,
                each=options.prototypes,
                scoring=Scoring(options.score, options.tau, options.class_size),
                mechanism=options.mechanism,
                accounting=options.accounting,
            )

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask zero-shot first; then every PLM for variations of the prototypes."""
        recipe, labels = self._recipe, self._task.labels
        quotas = equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
        shown = [demonstration.sample.whole for demonstration in demonstrations]
        prompts = {}
        for label in labels:
            parents = [one.sample for one in demonstrations if one.sample.label == label]
            most = max(1, *(quota[label] for quota in quotas.values()))
            prompts[label] = self._prompts(round, label, parents, most)
        return Plan(quotas, prompts, shown, zero_shot=not shown)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM on all it wrote, and one on what would be released; none chooses anything."""
        union = self._generation(samples) if self._options.release == "last" else None
        return train(samples, stm=self._stm, task=self._task, plms=self._plms, union=union)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Let the private samples choose prototypes among the last generation; after the last round nothing."""
        if round == self._recipe.rounds:
            return []
        rows = self._generation(samples)
        if self._options.medoids:
            rows = self._thinned(rows, samples)
        candidates = Picked(samples, rows)
        labels = label_ids(candidates, self._task)
        if self._prototypes is None:
            chosen = self._at_random(round, labels)
        else:
            chosen = self._prototypes.choose(round, candidates, labels)
            if verdict := self.outlook().get("verdict"):
                learned.notes.append(verdict)
        return [Demonstration(candidates[place], {"role": "prototype"}) for place in chosen]

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Train the final STM on the last generation, or on all, with equal weights."""
        rows = self._generation(samples) if self._options.release == "last" else np.arange(len(samples))
        return train_on(rows, samples, stm=self._stm, task=self._task)

    def example(self, label: str) -> str:
        """Return a prompt with a placeholder for the parent."""
        return self._variations.example(label)

    def outlook(self) -> dict[str, Any]:
        """Return what the budget buys: the chance that the best sample of a label is chosen, at most and blindly.

        Nothing in it comes from the private samples.
        """
        if self._prototypes is None:
            return {"choices": "at random: no private sample is asked, nothing is spent"}
        recipe, options, chooser = self._recipe, self._options, self._prototypes
        first = len(self._plms) * batch(recipe.samples, recipe.rounds, 0)[1]
        candidates = max(1, first // len(self._task.labels))
        if options.medoids:
            candidates = min(candidates, options.medoids)
        spread = 1.0 if options.score == "calibrated" else MARGIN
        chance, blind = chooser.outlook(candidates, spread), 1 / candidates
        said: dict[str, Any] = {
            "epsilon": self._vault.epsilon,
            "delta": self._vault.privacy.delta,
            "candidates": candidates,
            "selectivity": f"{chance:.3g} (blind: {blind:.3g})",
        }
        if options.mechanism == "exponential":
            said |= {"choices": chooser.selections, "epsilon_each": round(chooser.epsilon_each, 4)}
        else:
            said |= {"choices": recipe.rounds, "sigma": round(chooser.sigma(candidates * len(self._task.labels)), 3)}
        if candidates > 1 and chance < BLIND * blind:
            said["verdict"] = (
                f"The best of {candidates} samples is chosen with a chance of {100 * chance:.2g} % at most, blindly it "
                f"would be {100 * blind:.2g} %: prototypes are practically random. Take fewer rounds, a larger epsilon "
                f"or {REMEDY[options.score]}."
            )
        return said

    def _generation(self, samples: Sequence[Sample]) -> IntArray:
        """Return the rows of each label's last round; one in which nothing of a label was accepted is passed over."""
        rounds = np.fromiter((sample.round for sample in samples), np.int64, len(samples))
        labels = label_ids(samples, self._task)
        last = np.full(len(self._task.labels), -1)
        np.maximum.at(last, labels, rounds)
        return np.flatnonzero(rounds == last[labels])

    def _thinned(self, rows: IntArray, samples: Sequence[Sample]) -> IntArray:
        kept = []
        for label in self._task.labels:
            own = [int(row) for row in rows if samples[row].label == label]
            embeddings = self._vault.embeddings([samples[row] for row in own])
            kept += [own[place] for place in medoids(embeddings, self._options.medoids)]
        return np.array(kept)

    def _at_random(self, round: int, labels: IntArray) -> list[int]:
        draw = np.random.default_rng(derive_seed(self._recipe.seed, "random prototypes", round))
        groups = [draw.permutation(np.flatnonzero(labels == label)) for label in range(len(self._task.labels))]
        return [int(place) for places in groups for place in places[: self._options.prototypes]]

    def _prompts(self, round: int, label: str, parents: Sequence[Sample], count: int) -> list[str]:
        """Return ``count`` prompts to be used in turn: the share ``explore`` fresh, else of all parents alike."""
        fresh = self._task.zero_shot(label)
        if not parents:
            return [fresh]
        before = [int(place * self._options.explore) for place in range(count + 1)]
        parent, prompts = cycle(parents), list[str]()
        for place in range(count):
            if before[place + 1] > before[place]:
                prompts.append(fresh)
            else:
                seed = derive_seed(self._recipe.seed, "variation", round, label, place)
                prompts.append(self._variations.prompt(next(parent), seed))
        return prompts


def medoids(embeddings: NDArray[np.float32], count: int) -> list[int]:
    """Return up to ``count`` rows of quantised ``embeddings`` (n, d) that stand for all, in ascending order.

    Greedily, each the row that lessens the sum of squared distances to the nearest medoid most; then, until nothing
    changes, the row nearest to the mean of those that are nearest to a medoid. Equal input, equal output. Fewer than
    ``count`` where not so many rows differ.
    """
    rows = embeddings.astype(np.float64)
    chosen = [int(_squares(rows.mean(axis=0)[None], rows).argmin())]
    nearest = _squares(rows[chosen], rows)[0]
    while len(chosen) < count and nearest.any():
        gains = [np.maximum(nearest - _squares(part, rows), 0).sum(axis=1) for part in _pieces(rows)]
        chosen.append(int(np.concatenate(gains).argmax()))
        nearest = np.minimum(nearest, _squares(rows[chosen[-1:]], rows)[0])
    for _ in range(SWEEPS):
        owner = _squares(rows[chosen], rows).argmin(axis=0)
        groups = [np.flatnonzero(owner == place) for place in range(len(chosen))]
        better = [int(group[_squares(rows[group].mean(axis=0)[None], rows[group]).argmin()]) for group in groups]
        if better == chosen:
            break
        chosen = better
    return sorted(chosen)


def _squares(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return all squared distances (n, m); those of whole numbers are exact."""
    return np.asarray(np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * one @ other.T)


def _pieces(rows: FloatArray) -> list[FloatArray]:
    return [rows[start : start + PIECE] for start in range(0, len(rows), PIECE)]
