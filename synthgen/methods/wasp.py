"""WASP (Zou et al., ICML 2025): private samples vote for what the PLMs imitate and avoid, and for the PLMs themselves.

In every round each private sample votes for the synthetic samples of its label that are nearest to it, and for those
that are furthest, with weights 1, 1/2, 1/4, ... Only noised sums leave (docs/methods.md: the guarantee). Per label, the
samples of most near votes are shown as good and those of most far votes as bad demonstrations, with the wish to go
further in the same direction; PLMs whose samples are nearer write more of the next batch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.downstream.stm import STM, FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import allocate, batch, equal_quotas, turns
from synthgen.methods.trained import label_ids, train, train_on
from synthgen.privacy.ballots import Ballots, Shares
from synthgen.privacy.directions import Directions
from synthgen.privacy.outlook import sum_outlook, vote_outlook
from synthgen.privacy.sensitivity import Design
from synthgen.privacy.vault import Vault
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task


class WaspOptions(BaseModel):
    """WASP's own settings; but for ``release`` and ``plm_share`` the defaults are the paper's.

    ``release`` is what is asked of the private samples: the ``sum`` of their embeddings, once, or, as in the paper,
    ``votes`` in every round, of which ``histogram`` says whether near minus far votes are released or one of each
    (without contrast near votes alone). ``votes`` is Q. ``contrast: false`` shows good demonstrations only,
    ``plm_weights: false`` lets every PLM write the same. ``prompts`` is the number of prompts a label, each with other
    demonstrations of its lists. ``temperature`` is that of the softmax over the PLMs' scores. ``plm_share`` of the
    budget goes to the PLMs' shares of the votes; with 0 they are read off the noised histogram, as in the paper.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    votes: Annotated[int, Field(ge=1, le=30)] = 8
    contrast: bool = True
    plm_weights: bool = True
    prompts: Annotated[int, Field(ge=1)] = 6
    temperature: Annotated[float, Field(gt=0)] = 1.0
    release: Literal["sum", "votes"] = "sum"
    histogram: Literal["signed", "two"] = "signed"
    plm_share: Annotated[float, Field(ge=0, lt=1)] = 0.2


class Wasp:
    """The method; ``vault`` holds the private samples."""

    Options = WaspOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM, vault: Vault) -> None:
        self._recipe = recipe
        self._options = options = WaspOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm
        self._vault = vault
        if not recipe.rounds:
            raise UserError("WASP needs at least one round of votes; give --rounds 1 or more.")
        if options.contrast and recipe.demos < 2:
            raise UserError("WASP shows good and bad demonstrations; give --demos 2 or more.")
        self._weighs = options.plm_weights and len(self._plms) > 1
        if self._weighs and options.release == "sum" and not options.plm_share:
            raise UserError("The sum says nothing of the PLMs; give options.plm_share, or options.plm_weights=false.")
        share = options.plm_share if self._weighs else 0.0
        rounds = recipe.rounds
        design: Design = options.histogram if options.contrast else "near"
        self.directions: Directions | None = None
        self.ballots: Ballots | None = None
        self.shares: Shares | None = None
        if options.release == "sum":
            self.directions = Directions(vault, n_labels=len(task.labels), share=1 - share)
        else:
            self.ballots = Ballots(vault, votes=options.votes, design=design, releases=rounds, share=1 - share)
        if share:
            self.shares = Shares(vault, votes=options.votes, releases=rounds, share=share)
        self._weights: dict[str, float] = dict.fromkeys(self._plms, 1.0)
        self._written: Counter[str] = Counter()

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask zero-shot first; then every PLM by its weight, with good and bad demonstrations of each label."""
        recipe, labels = self._recipe, self._task.labels
        if not demonstrations:
            quotas = equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
            return zero_shot(self._task, quotas)
        total = len(self._plms) * batch(recipe.samples, recipe.rounds, round)[1]
        counts = allocate(total, self._weights)
        quotas = {plm: turns(labels, offset + self._written[plm], counts[plm]) for offset, plm in enumerate(self._plms)}
        shown = list(dict.fromkeys(demonstration.sample.whole for demonstration in demonstrations))
        return Plan(quotas, {label: self._prompts(round, label, demonstrations) for label in labels}, shown)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and one on all; none of them chooses anything."""
        return train(samples, stm=self._stm, task=self._task, plms=self._plms)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Let the private samples vote, and take what they are nearest to and furthest from."""
        self._written = Counter(sample.plm for sample in samples)
        if round == self._recipe.rounds:
            return []
        labels = label_ids(samples, self._task)
        good, bad = self._judged(round, samples, labels)
        if self._weighs:
            self._weights = self._weigh_plms(round, samples, labels, good)
            self._vault.note(round, plm_weights=self._weights)
            learned.notes.append(f"Round {round}, shares of the PLMs by votes: {_said(self._weights)}.")
        return self._chosen(samples, labels, good, bad)

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Train the final STM on all samples with equal weights."""
        return train_on(np.arange(len(samples)), samples, stm=self._stm, task=self._task)

    def outlook(self) -> dict[str, Any]:
        """Return what the budget buys: see ``privacy.outlook``. For the owner of the private samples alone."""
        recipe = self._recipe
        pool = max(1, len(self._plms) * batch(recipe.samples, recipe.rounds, 0)[1] // len(self._task.labels))
        if self.directions:
            return sum_outlook(self._vault, self.directions, pool=pool, shown=recipe.demos)
        signed = self._options.contrast and self._options.histogram == "signed"
        return vote_outlook(
            self._vault,
            cast(Ballots, self.ballots),
            pool=pool,
            shown=recipe.demos,
            rounds=recipe.rounds,
            votes=self._options.votes,
            signed=signed,
        )

    def example(self, label: str) -> str:
        """Return a prompt with placeholders for the demonstrations."""
        half = self._recipe.demos // 2
        if not self._options.contrast:
            return self._task.few_shot(label, [f"<good {n + 1}>" for n in range(self._recipe.demos)])
        good = [f"<good {n + 1}>" for n in range(self._recipe.demos - half)]
        return self._task.contrastive(label, [f"<bad {n + 1}>" for n in range(half)], good)

    def _judged(self, round: int, samples: Sequence[Sample], labels: IntArray) -> tuple[FloatArray, FloatArray | None]:
        """Return how close each sample is to the private ones of its label, and how far."""
        if self.directions:
            close = self.directions.closeness(samples, labels)
            return close, -close if self._options.contrast else None
        ballot = cast(Ballots, self.ballots).cast(round, samples, labels)
        return ballot.good, ballot.bad

    def _weigh_plms(
        self, round: int, samples: Sequence[Sample], labels: IntArray, votes: FloatArray
    ) -> dict[str, float]:
        """Return the softmax over scores: a PLM's share of the near votes, by its share of the samples (mean 1)."""
        place = {plm: number for number, plm in enumerate(self._plms)}
        owners = np.fromiter((place[sample.plm] for sample in samples), np.int64, len(samples))
        size = np.bincount(owners, minlength=len(self._plms))
        if self.shares:
            mass = self.shares.cast(round, samples, labels, owners, len(self._plms))
        else:
            mass = np.bincount(owners, np.maximum(votes, 0), minlength=len(self._plms)).astype(np.float64)
        mass = np.maximum(mass, 0)
        share = mass / mass.sum() if mass.sum() > 0 else size / size.sum()
        score = np.where(size > 0, share * len(owners) / np.maximum(size, 1), 0.0) / self._options.temperature
        power = np.exp(score - score.max())
        return dict(zip(self._plms, (power / power.sum()).tolist(), strict=True))

    def _chosen(
        self, samples: Sequence[Sample], labels: IntArray, good: FloatArray, bad: FloatArray | None
    ) -> list[Demonstration]:
        chosen = []
        for label in range(len(self._task.labels)):
            rows = np.flatnonzero(labels == label)
            wanted = min(self._recipe.demos, len(rows) // 2) or 1
            for role, votes in (("bad", bad), ("good", good)):
                if votes is None:
                    continue
                # Ranked as they are, not clipped: among clipped ones all that are not positive would tie.
                best = rows[np.argsort(-votes[rows], kind="stable")][:wanted]
                chosen += [Demonstration(samples[row], {"role": role, "votes": float(votes[row])}) for row in best]
        return chosen

    def _prompts(self, round: int, label: str, demonstrations: Sequence[Demonstration]) -> list[str]:
        lists: dict[str, list[str]] = {"bad": [], "good": []}
        for demonstration in demonstrations:
            if demonstration.sample.label == label:
                lists[str(demonstration.scores["role"])].append(demonstration.sample.whole)
        prompts: list[str] = []
        for variant in range(self._options.prompts):
            draw = np.random.default_rng(derive_seed(self._recipe.seed, "prompt", round, label, variant))

            def some(role: str, count: int, draw: np.random.Generator = draw) -> list[str]:
                texts = lists[role]
                return [texts[place] for place in draw.permutation(len(texts))[:count]]

            half = self._recipe.demos // 2
            if self._options.contrast:
                prompts.append(
                    self._task.contrastive(label, some("bad", half), some("good", self._recipe.demos - half))
                )
            else:
                prompts.append(self._task.few_shot(label, some("good", self._recipe.demos)))
        return prompts


def _said(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{plm} {100 * weight:.0f} %" for plm, weight in weights.items())
