"""Private evolution of text: Aug-PE (Xie et al., ICML 2024) and PE (Lin et al., ICLR 2024), and their mixtures.

A first population is written zero-shot. In each of T rounds the PLMs write variations of every member, the private
samples vote for the candidates of their label that are nearest to them, and by the noised votes as many a label as
before are selected: the next population. The last one is the dataset. T votes are released, not T + 1, and a sample
is known by its id, never by its place in a list. Differences to the published code are listed in docs/methods.md.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthgen.downstream.stm import STM, FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import batch, turns
from synthgen.methods.trained import label_ids, started, train, train_on
from synthgen.methods.variations import Kind, Variations, deal
from synthgen.privacy.ballots import Ballots
from synthgen.privacy.elections import Elections
from synthgen.privacy.outlook import vote_outlook
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.samples import Picked
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task


class AugPEOptions(BaseModel):
    """Settings of private evolution; the defaults are Aug-PE's.

    ``variations`` are written of each member a round (L - 1), ``vary`` says how: ``imitate`` is the pocket profile's,
    ``rephrase`` the paper profile's; ``mask``, ``spread`` and ``tokens_per_word`` belong to ``blanks``. ``select:
    rank`` takes the candidates of most noised votes, ``sample`` draws them with replacement, by their noised votes
    above ``threshold``. Candidates are the variations, and with ``keep_parents`` the members. With ``lookahead`` they
    are the members, each as the mean of its variations, and a selected one is replaced by its variations. ``mechanism:
    exponential`` lets the votes choose one by one without a histogram (``accounting``: pure or zcdp). ``release: all``
    makes every sample written part of the dataset, not only those selected last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variations: Annotated[int, Field(ge=1)] = 3
    vary: Kind | None = None
    mask: Annotated[float, Field(gt=0, le=1)] = 0.5
    spread: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 40.0
    tokens_per_word: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    votes: Annotated[int, Field(ge=1, le=30)] = 1
    select: Literal["rank", "sample"] = "rank"
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    keep_parents: bool = True
    lookahead: bool = False
    mechanism: Literal["gaussian", "exponential"] = "gaussian"
    accounting: Literal["pure", "zcdp"] = "zcdp"
    release: Literal["selected", "all"] = "selected"

    @model_validator(mode="after")
    def _fits(self) -> "AugPEOptions":
        chooses_all = self.mechanism == "exponential" or self.select == "rank"
        if self.lookahead and chooses_all:
            raise UserError(
                "With lookahead the candidates are the members, and all of them would be selected again; "
                "take mechanism gaussian and select sample, or lookahead false."
            )
        if not self.lookahead and not self.keep_parents and chooses_all and self.variations == 1:
            raise UserError(
                "With one variation and no parents there is nothing to choose from; give variations 2 or more."
            )
        for setting, works, where in (
            ("keep_parents", not self.lookahead, "without lookahead"),
            ("select", self.mechanism == "gaussian", "with mechanism gaussian"),
            (
                "threshold",
                self.mechanism == "gaussian" and self.select == "sample",
                "with mechanism gaussian, select sample",
            ),
            ("accounting", self.mechanism == "exponential", "with mechanism exponential"),
            ("mask", self.vary == "blanks", "with vary blanks"),
            ("spread", self.vary == "blanks", "with vary blanks"),
            ("tokens_per_word", self.vary == "blanks", "with vary blanks"),
        ):
            if setting in self.model_fields_set and getattr(self, setting) and not works:
                raise UserError(f"Setting {setting} works only {where}; leave it out.")
        return self


class AugPE:
    """The method; ``vault`` holds the private samples.

    Of a PLM's ``samples`` S, n0 = S // (1 + T * variations) are of the first population. The others are spread over the
    rounds, equally but for one; so what the division leaves over, less than 1 + T * variations, goes into one more
    variation of some members, evenly over labels and PLMs. Where PLMs fell short of the first population the same
    number of variations is shared by fewer members.
    """

    Options: type[AugPEOptions] = AugPEOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM, vault: Vault) -> None:
        self._recipe, self._task, self._plms, self._stm, self._vault = recipe, task, list(plms), stm, vault
        self._options = options = self.Options.model_validate(recipe.options)
        if not recipe.rounds:
            raise UserError(f"{recipe.method} needs at least one round of votes; give --rounds 1 or more.")
        kind: Kind = options.vary or ("imitate" if recipe.profile == "pocket" else "rephrase")
        self._variations = Variations(task, kind, options.mask, options.spread, options.tokens_per_word)
        self._first = self._first_population()
        # What plans count on; select puts in what was really written.
        self._sizes: Mapping[str, int] = turns(task.labels, 0, self._first * len(self._plms))
        self._population: dict[str, int] = {}
        most = max(self._sizes.values())
        # How the private samples choose, declared once for the whole run.
        self._chooser: Ballots | Elections
        if options.mechanism == "gaussian":
            self._chooser = Ballots(vault, votes=options.votes, design="near", releases=recipe.rounds)
        else:
            self._chooser = Elections(
                vault, votes=options.votes, selections=recipe.rounds * most, accounting=options.accounting
            )

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask zero-shot first; then for variations of the population, which ``demonstrations`` are."""
        labels, first = self._task.labels, self._first
        if not round:
            quotas = {plm: turns(labels, at * first, first) for at, plm in enumerate(self._plms)}
            return zero_shot(self._task, quotas)
        each = batch(self._recipe.samples - first, self._recipe.rounds - 1, round - 1)[1]
        if not demonstrations:
            dealt = deal([label for label in labels for _ in range(self._sizes[label])], self._plms, each)
            quotas = {plm: {label: slots.count(label) for label in labels} for plm, slots in dealt.items()}
            return zero_shot(self._task, quotas)
        members = [chosen.sample for chosen in demonstrations for _ in range(int(chosen.scores["times"]))]
        own: dict[str, dict[str, list[str]]] = {plm: {label: [] for label in labels} for plm in self._plms}
        for plm, slots in deal(members, self._plms, each).items():
            for number, member in enumerate(slots):
                seed = derive_seed(self._recipe.seed, "variation", round, plm, number, member.id)
                own[plm][member.label].append(self._variations.prompt(member, seed))
        quotas = {plm: {label: len(prompts) for label, prompts in asked.items()} for plm, asked in own.items()}
        return Plan(quotas, {}, list(dict.fromkeys(member.whole for member in members)), own)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and one on all; none of them chooses anything."""
        return train(samples, stm=self._stm, task=self._task, plms=self._plms)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Return the next population, each member with the number of ``times`` it was selected."""
        # By id: neither the order in which samples are stored nor the PLM's place decides between equals.
        ordered = sorted((one for one in samples if not round or self._concerned(round, one)), key=lambda one: one.id)
        if not round:
            self._sizes = Counter(sample.label for sample in ordered)
            chosen = [Demonstration(sample, {"times": 1}) for sample in ordered]
        else:
            chosen = self._evolved(round, ordered, learned)
        self._population = {one.sample.id: int(one.scores["times"]) for one in chosen}
        return sorted(chosen, key=lambda one: self._task.label_id(one.sample.label))

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Weigh samples by how many times they are in the last population, and train the final STM with that."""
        if self._options.release == "all":
            return train_on(np.arange(len(samples)), samples, stm=self._stm, task=self._task)
        times = np.fromiter((self._population.get(one.id, 0) for one in samples), np.float64, len(samples))
        kept = np.flatnonzero(times)
        weights = times * len(kept) / times.sum()
        features, labels = started(self._stm, Picked(samples, kept), self._task)
        return Weighed(weights, self._stm.fit(features, labels, weights[kept], n_labels=len(self._task.labels)))

    def example(self, label: str) -> str:
        """Return a prompt with a placeholder for the parent."""
        return self._variations.example(label)

    def outlook(self) -> dict[str, Any]:
        """Return what the budget buys. For the owner of the private samples alone."""
        options, most = self._options, max(self._sizes.values())
        if isinstance(self._chooser, Ballots):
            pool = most if options.lookahead else most * (options.variations + options.keep_parents)
            return vote_outlook(
                self._vault,
                self._chooser,
                pool=pool,
                shown=most,
                rounds=self._recipe.rounds,
                votes=options.votes,
                signed=False,
            )
        each = self._chooser.epsilon
        monotone = self._vault.privacy.adjacency == "add-remove"
        return {
            "epsilon": self._vault.epsilon,
            "delta": 0.0 if options.accounting == "pure" else self._vault.privacy.delta,
            "selections": self._recipe.rounds * most,
            "epsilon_each": each,
            "odds_by_one_vote": math.exp(min(each if monotone else each / 2, 700)),
        }

    def _first_population(self) -> int:
        """Return how many members each PLM writes first. Raises ``UserError`` where a label would have none."""
        rounds, variations, n_plms = self._recipe.rounds, self._options.variations, len(self._plms)
        written = 1 + rounds * variations
        first = self._recipe.samples // written
        if first * n_plms < len(self._task.labels):
            needed = written * math.ceil(len(self._task.labels) / n_plms)
            raise UserError(
                f"{self._recipe.samples} samples a PLM are too few: each label needs a first member, and variations of "
                f"it, {variations} in each of {rounds} rounds; give --samples {needed} or more, or ask for fewer "
                "rounds or variations."
            )
        return first

    def _concerned(self, round: int, sample: Sample) -> bool:
        """Return whether a sample is a member, or a variation of one and of this round."""
        return sample.id in self._population or (sample.round == round and sample.parent in self._population)

    def _evolved(self, round: int, ordered: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        members = [sample for sample in ordered if sample.id in self._population]
        children: dict[str, list[Sample]] = defaultdict(list)
        for sample in ordered:
            if sample.round == round and sample.parent in self._population:
                children[sample.parent].append(sample)
        if barren := sum(member.id not in children for member in members):
            learned.notes.append(f"Round {round}: {barren} of {len(members)} members got no variation.")
        if self._options.lookahead:
            candidates = members
            embeddings = self._means(members, children)
        else:
            candidates = self._candidates(members, children)
            embeddings = None
        chosen = self._chosen(round, candidates, embeddings)
        if not self._options.lookahead:
            return chosen
        return [heir for one in chosen for heir in self._heirs(round, one, children[one.sample.id])]

    def _candidates(self, members: Sequence[Sample], children: Mapping[str, Sequence[Sample]]) -> list[Sample]:
        """Return the variations, and the members: where they may stay, or their label would shrink without them."""
        candidates = [child for born in children.values() for child in born]
        born = Counter(child.label for child in candidates)
        candidates += [
            member for member in members if self._options.keep_parents or born[member.label] < self._sizes[member.label]
        ]
        return sorted(candidates, key=lambda sample: sample.id)

    def _means(self, members: Sequence[Sample], children: Mapping[str, Sequence[Sample]]) -> NDArray[np.float32]:
        """Return the direction of the mean of each member's variations, its own where it has none, quantised (n, d)."""
        rows = []
        for member in members:
            born = children.get(member.id) or [member]
            # Sums of whole numbers: exact, so that their order does not matter.
            mean = self._vault.embeddings(born).astype(np.float64).sum(axis=0)
            if not mean.any():
                mean = self._vault.embeddings([member])[0].astype(np.float64)
            rows.append(mean / math.sqrt(math.fsum(mean * mean)))
        return quantised(np.array(rows, dtype=np.float32))

    def _chosen(
        self, round: int, candidates: Sequence[Sample], embeddings: NDArray[np.float32] | None
    ) -> list[Demonstration]:
        labels = label_ids(candidates, self._task)
        if isinstance(self._chooser, Ballots):
            votes = self._chooser.cast(round, candidates, labels, embeddings=embeddings).good
            times = self._selected(round, votes, labels)
            return [
                Demonstration(candidates[row], {"times": count, "votes": float(votes[row])})
                for row, count in sorted(times.items())
            ]
        found = np.bincount(labels, minlength=len(self._task.labels))
        wanted = [min(self._sizes[label], int(count)) for label, count in zip(self._task.labels, found, strict=True)]
        rows = self._chooser.hold(round, candidates, labels, wanted, embeddings)
        return [Demonstration(candidates[row], {"times": 1}) for row in sorted(rows)]

    def _selected(self, round: int, votes: FloatArray, labels: IntArray) -> Counter[int]:
        """Return how many times each row is selected. What is drawn here is drawn by the run's seed: it is public."""
        times: Counter[int] = Counter()
        for number, label in enumerate(self._task.labels):
            rows, size = np.flatnonzero(labels == number), self._sizes[label]
            if self._options.select == "rank":
                # As they are, not clipped: among clipped ones all that are not positive would tie.
                times.update(rows[np.argsort(-votes[rows], kind="stable")][:size].tolist())
                continue
            above = np.maximum(votes[rows] - self._options.threshold, 0)
            share = above / above.sum() if above.sum() > 0 else np.full(len(rows), 1 / len(rows))
            draw = np.random.default_rng(derive_seed(self._recipe.seed, "select", round, label))
            times.update(draw.choice(rows, size=size, p=share).tolist())
        return times

    def _heirs(self, round: int, chosen: Demonstration, born: Sequence[Sample]) -> list[Demonstration]:
        """Return the variations that take a member's place: as many as it was selected times, all different if it has
        so many; where it has none, itself.
        """
        if not born:
            return [chosen]
        draw = np.random.default_rng(derive_seed(self._recipe.seed, "heirs", round, chosen.sample.id))
        each, more = divmod(int(chosen.scores["times"]), len(born))
        counts = {int(place): each + (rank < more) for rank, place in enumerate(draw.permutation(len(born)))}
        return [
            Demonstration(born[place], {**chosen.scores, "times": count}) for place, count in counts.items() if count
        ]
