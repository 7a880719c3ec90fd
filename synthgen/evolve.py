"""The loop: plan, generate, curate, learn, select, round after round; then weigh, and write what came out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from synthgen.curate.curator import Curator
from synthgen.downstream.stm import STM, Fit
from synthgen.errors import SynthgenError
from synthgen.evaluate import accuracies
from synthgen.events import Note, Observer, RoundEnded, RoundStarted, Stage, StageStarted, one_at_a_time
from synthgen.generate import Harvest, Order
from synthgen.methods.base import Demonstration, Method, Plan
from synthgen.plms.arrange import Arrangement
from synthgen.plms.engineroom import EngineRoom
from synthgen.privacy.vault import Vault
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.round import write_round
from synthgen.runs.folder import RunFolder
from synthgen.runs.tables import write_dataset, write_dynamics
from synthgen.tasks.gold import Gold
from synthgen.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Parts:
    """What a recipe's names stand for, resolved and checked.

    ``notes`` tell of the private samples: they are for their owner's eyes and no file.
    """

    task: Task
    arrangement: Arrangement
    stm: STM
    method: Method
    gold: Gold | None
    vault: Vault | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Progress:
    """What a run has gathered so far."""

    samples: list[Sample] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    accuracy_by_round: list[float | None] = field(default_factory=list)
    accuracy_by_plm: dict[str, float | None] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)


def evolve(recipe: Recipe, parts: Parts, run: RunFolder, observe: Observer) -> dict[str, Any]:
    """Execute ``recipe`` into ``run`` and return the metrics.

    Everything but the PLMs' answers is computed anew on a resume, from the journal, and so comes out the same.
    """
    began = perf_counter()
    so_far, observe = Progress(), one_at_a_time(observe)
    if parts.vault:
        parts.vault.open(run.path)
    with EngineRoom(parts.arrangement, logs=run.path / "logs", observe=observe) as room:
        _rounds(recipe, parts, run, room, so_far, observe)
        so_far.loads = room.loads
    return _finish(parts, run, so_far, observe, began)


def _rounds(
    recipe: Recipe, parts: Parts, run: RunFolder, room: EngineRoom, so_far: Progress, observe: Observer
) -> None:
    curator = Curator(parts.task, enabled=recipe.curate)
    demonstrations: list[Demonstration] = []
    said: set[str] = set()
    for number in range(recipe.rounds + 1):
        plan = parts.method.plan(number, demonstrations)
        observe(RoundStarted(number, recipe.rounds, sum(sum(quota.values()) for quota in plan.quotas.values())))
        with _stage("generate", so_far, observe):
            _generate(recipe, parts, run, room, number, plan, curator, so_far, observe)
        with _stage("learn", so_far, observe):
            learned = parts.method.learn(so_far.samples)
            write_dynamics(run.round_folder(number) / "dynamics.parquet", so_far.samples, learned.dynamics)
        with _stage("evaluate", so_far, observe):
            so_far.accuracy_by_round.append(_score(parts, [learned.fit])[0])
            if number == recipe.rounds:
                # Now: the final STM may have a feature space of its own.
                by_plm = _score(parts, list(learned.by_plm.values()))
                so_far.accuracy_by_plm = dict(zip(learned.by_plm, by_plm, strict=True))
        with _stage("select", so_far, observe):
            demonstrations = parts.method.select(number, so_far.samples, learned)
            run.write_demonstrations(number, demonstrations)
        observe(RoundEnded(number, len(so_far.samples), so_far.accuracy_by_round[-1]))
        for note in learned.notes:
            if note not in said:
                observe(Note(note))
        said.update(learned.notes)


def _generate(
    recipe: Recipe,
    parts: Parts,
    run: RunFolder,
    room: EngineRoom,
    number: int,
    plan: Plan,
    curator: Curator,
    so_far: Progress,
    observe: Observer,
) -> None:
    curator.show(plan.shown)
    sampling = parts.task.draw(recipe.temperature, recipe.top_p)
    orders = {
        plm.name: (
            Order(plm.name, number, plan.quotas[plm.name], plan.own.get(plm.name, plan.prompts), sampling),
            run.journal(number, plm, recipe.engine),
        )
        for plm in parts.arrangement.plms
    }
    harvests = write_round(
        orders, seed=recipe.seed, attempts=recipe.attempts, curator=curator, room=room, observe=observe
    )
    for plm, result in zip(orders, harvests, strict=True):
        so_far.tokens.update(result.tokens)
        so_far.seconds["curate"] += result.curate_seconds
        for note in _shortfalls(plm, result, recipe.attempts):
            observe(Note(note))
    accepted = [sample for result in harvests for sample in result.samples]
    rejected = [text for result in harvests for text in result.rejected]
    so_far.samples += accepted
    so_far.rejected.update(text.reason for text in rejected)
    run.write_samples(number, accepted, rejected)
    found = {sample.label for sample in so_far.samples}
    if lost := [label for label in parts.task.labels if label not in found]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in so_far.rejected.most_common(3)) or "none asked for"
        raise SynthgenError(f"No text was accepted for {', '.join(lost)} (rejected: {reasons}); try another PLM.")


def _shortfalls(plm: str, result: Harvest, attempts: int) -> list[str]:
    """Return what a user should hear of samples that did not come and of demonstrations that did not fit."""
    notes = [
        f"{plm} is {count} {label} samples short after {attempts} attempts." for label, count in result.missing.items()
    ]
    if lost := result.shortened:
        notes.append(
            f"{len(lost)} prompts were longer than {plm}'s context; their first demonstrations, up to {max(lost)}, "
            "were left out."
        )
    return notes


def _finish(parts: Parts, run: RunFolder, so_far: Progress, observe: Observer, began: float) -> dict[str, Any]:
    with _stage("learn", so_far, observe):
        weights, final = parts.method.weigh(so_far.samples)
        # Six digits: far finer than the weights mean anything, coarser than what libraries may differ in.
        samples = [
            replace(sample, weight=float(f"{weight:.6g}"))
            for sample, weight in zip(so_far.samples, weights, strict=True)
            if weight > 0
        ]
    with _stage("evaluate", so_far, observe):
        (accuracy,) = _score(parts, [final])
    with _stage("write", so_far, observe):
        write_dataset(run.path / "dataset" / "train.parquet", samples, parts.task)
    so_far.seconds["generate"] -= so_far.seconds["curate"]
    so_far.seconds["total"] = perf_counter() - began
    metrics = {
        "accuracy": accuracy,
        "accuracy_by_round": so_far.accuracy_by_round if parts.gold else [],
        "accuracy_by_plm": so_far.accuracy_by_plm if parts.gold else {},
        "samples": len(samples),
        "samples_by_plm": _counted([sample.plm for sample in samples], [plm.name for plm in parts.arrangement.plms]),
        "samples_by_label": _counted([sample.label for sample in samples], parts.task.labels),
        "rejected_by_reason": dict(sorted(so_far.rejected.items())),
        "tokens": {kind: so_far.tokens[kind] for kind in ("prompt", "completion", "cached")},
        "loads": dict(so_far.loads),
        "seconds": {
            # How long private samples took to count tells, a little, how many there are.
            stage: round(so_far.seconds[stage], 0 if parts.vault else 3)
            for stage in ("generate", "curate", "learn", "select", "evaluate", "total")
        },
        "gold": {"source": parts.gold.source, "size": len(parts.gold.texts)} if parts.gold else None,
    }
    run.write_metrics(metrics)
    return metrics


def _score(parts: Parts, fits: Sequence[Fit]) -> list[float | None]:
    if parts.gold is None:
        return [None] * len(fits)
    return list(accuracies(fits, stm=parts.stm, task=parts.task, gold=parts.gold))


def _counted(values: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(values)
    return {name: counts[name] for name in names}


@contextmanager
def _stage(name: Stage, so_far: Progress, observe: Observer) -> Iterator[None]:
    observe(StageStarted(name))
    began = perf_counter()
    try:
        yield
    finally:
        so_far.seconds[name] += perf_counter() - began
