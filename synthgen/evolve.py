"""The loop: plan, generate, curate, learn, select, round after round; then weigh, and write what came out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

from synthgen.curate.curator import Curator
from synthgen.decontaminate import decontaminated
from synthgen.downstream.stm import Fit
from synthgen.events import Note, Observer, RoundEnded, RoundStarted, Stage, StageStarted, one_at_a_time
from synthgen.gather import gather
from synthgen.methods.base import Demonstration
from synthgen.methods.trained import train_weighted
from synthgen.outcome import counted, scored
from synthgen.parts import Parts, Progress
from synthgen.plms.engineroom import EngineRoom
from synthgen.pool import Reserve
from synthgen.recipe import Recipe
from synthgen.runs.folder import RunFolder
from synthgen.runs.tables import write_dataset, write_dynamics


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
    return _finish(recipe, parts, run, so_far, observe, began)


def _rounds(
    recipe: Recipe, parts: Parts, run: RunFolder, room: EngineRoom, so_far: Progress, observe: Observer
) -> None:
    curator = Curator(parts.task, enabled=recipe.curate)
    reserve = Reserve(parts.pool, parts.task, recipe.seed) if parts.pool else None
    demonstrations: list[Demonstration] = []
    said: set[str] = set()
    for number in range(recipe.rounds + 1):
        plan = parts.method.plan(number, demonstrations)
        observe(RoundStarted(number, recipe.rounds, sum(sum(quota.values()) for quota in plan.quotas.values())))
        with _stage("generate", so_far, observe):
            gather(recipe, parts, run, room, number, plan, curator, reserve, so_far, observe)
        with _stage("learn", so_far, observe):
            learned = parts.method.learn(so_far.samples)
            _train(parts, [learned.fit, *(learned.by_plm.values() if number == recipe.rounds else ())])
            write_dynamics(run.round_folder(number) / "dynamics.parquet", so_far.samples, learned.dynamics)
        with _stage("select", so_far, observe):
            demonstrations = parts.method.select(number, so_far.samples, learned)
            run.write_demonstrations(number, demonstrations)
        so_far.fits.append((len(so_far.samples), learned.fit))
        so_far.by_plm = learned.by_plm
        observe(RoundEnded(number, len(so_far.samples)))
        for note in learned.notes:
            if note not in said:
                observe(Note(note))
        said.update(learned.notes)


def _finish(
    recipe: Recipe, parts: Parts, run: RunFolder, so_far: Progress, observe: Observer, began: float
) -> dict[str, Any]:
    so_far.seconds["generate"] -= so_far.seconds["curate"]
    with _stage("learn", so_far, observe):
        weights, final, notes = parts.method.weigh(so_far.samples)
        for note in notes:
            observe(Note(note))
        chosen = [
            replace(sample, weight=float(weight))
            for sample, weight in zip(so_far.samples, weights, strict=True)
            if weight > 0
        ]
    with _stage("curate", so_far, observe):
        clean, decontamination = decontaminated(recipe, parts, chosen)
    with _stage("learn", so_far, observe):
        if len(clean) < len(chosen):
            final = train_weighted(clean, stm=parts.stm, task=parts.task)
        _train(parts, [final])
        mean = sum(sample.weight for sample in clean) / len(clean)
        # Six digits: far finer than the weights mean anything, coarser than what libraries may differ in.
        scale = mean if len(clean) < len(chosen) else 1.0
        samples = [replace(sample, weight=float(f"{sample.weight / scale:.6g}")) for sample in clean]
    with _stage("evaluate", so_far, observe):
        accuracy = scored(parts, so_far, final)
    with _stage("write", so_far, observe):
        write_dataset(run.path / "dataset" / "train.parquet", samples, parts.task)
    so_far.seconds["total"] = perf_counter() - began
    metrics = accuracy | counted(parts, so_far, samples) | {"decontamination": decontamination}
    run.write_metrics(metrics)
    return metrics


def _train(parts: Parts, fits: Sequence[Fit]) -> None:
    """Have fits that train when they are first asked trained by now: nothing is trained once gold is open."""
    for fit in fits:
        fit.predict_proba(parts.stm.features([]))


@contextmanager
def _stage(name: Stage, so_far: Progress, observe: Observer) -> Iterator[None]:
    observe(StageStarted(name))
    began = perf_counter()
    try:
        yield
    finally:
        so_far.seconds[name] += perf_counter() - began
