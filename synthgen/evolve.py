"""The loop: plan, generate, curate, learn, select, round after round; then weigh, and write what came out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from synthgen.checkpoint import keep_round, restore_rounds
from synthgen.curate.curator import Curator
from synthgen.decontaminate import decontaminated
from synthgen.downstream.stm import FloatArray
from synthgen.errors import SynthgenError
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
from synthgen.samples import Picked


def evolve(recipe: Recipe, parts: Parts, run: RunFolder, observe: Observer) -> dict[str, Any]:
    """Execute ``recipe`` into ``run`` and return the metrics.

    On a resume, rounds that are whole on disk are taken as they are; of others everything but the PLMs' answers is
    computed anew, from the journal, and so comes out the same.
    """
    so_far, observe = Progress(), one_at_a_time(observe)
    if parts.vault:
        parts.vault.open(run.path)
    with EngineRoom(parts.arrangement, logs=run.path / "logs", observe=observe) as room:
        _rounds(recipe, parts, run, room, so_far, observe)
        so_far.loads += room.loads
    return _finish(recipe, parts, run, so_far, observe)


def _rounds(
    recipe: Recipe, parts: Parts, run: RunFolder, room: EngineRoom, so_far: Progress, observe: Observer
) -> None:
    curator = Curator(parts.task, enabled=recipe.curate)
    reserve = Reserve(parts.pool, parts.task, recipe.seed) if parts.pool else None
    # A private method remembers more than samples: what was voted, and what of the budget is left; and some STMs make
    # the features of a text together with those that are new with it.
    known = parts.vault is None and not parts.stm.batched
    demonstrations = restore_rounds(run, so_far, curator, reserve, observe) if known else []
    for number in range(len(so_far.fits), recipe.rounds + 1):
        demonstrations = _round(recipe, parts, run, room, number, demonstrations, curator, reserve, so_far, observe)
        so_far.count_time()
        keep_round(run.round_folder(number), so_far, curator, reserve, room.loads, with_state=known)
        observe(RoundEnded(number, len(so_far.samples)))


def _round(
    recipe: Recipe,
    parts: Parts,
    run: RunFolder,
    room: EngineRoom,
    number: int,
    demonstrations: Sequence[Demonstration],
    curator: Curator,
    reserve: Reserve | None,
    so_far: Progress,
    observe: Observer,
) -> list[Demonstration]:
    """Go round once and return what the next round shows."""
    plan = parts.method.plan(number, demonstrations)
    observe(RoundStarted(number, recipe.rounds, sum(sum(quota.values()) for quota in plan.quotas.values())))
    with _stage("generate", so_far, observe):
        with run.writing_round(number) as writer:
            gather(recipe, parts, run, room, number, plan, curator, reserve, writer, so_far, observe)
        so_far.add(writer)
        _check_labels(parts, so_far)
    with _stage("learn", so_far, observe):
        learned = parts.method.learn(so_far.samples)
        # Trained by now: nothing is trained once gold is open.
        fit = learned.fit.settled()
        so_far.by_plm = {plm: own.settled() for plm, own in learned.by_plm.items()} if number == recipe.rounds else {}
        write_dynamics(run.round_folder(number) / "dynamics.parquet", so_far.samples, learned.dynamics)
    with _stage("select", so_far, observe):
        chosen = parts.method.select(number, so_far.samples, learned)
        run.write_demonstrations(number, chosen)
    so_far.fits.append((len(so_far.samples), fit))
    for note in learned.notes:
        if note not in so_far.said:
            so_far.said.append(note)
            observe(Note(note))
    return chosen


def _check_labels(parts: Parts, so_far: Progress) -> None:
    if lost := [label for label in parts.task.labels if not so_far.labels[label]]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in so_far.rejected.most_common(3)) or "none asked for"
        raise SynthgenError(f"No text was accepted for {', '.join(lost)} (rejected: {reasons}); try another PLM.")


def _finish(recipe: Recipe, parts: Parts, run: RunFolder, so_far: Progress, observe: Observer) -> dict[str, Any]:
    with _stage("learn", so_far, observe):
        weights, final, notes = parts.method.weigh(so_far.samples)
        for note in notes:
            observe(Note(note))
        rows = np.flatnonzero(weights > 0)
    with _stage("curate", so_far, observe):
        kept, decontamination = decontaminated(recipe, parts, Picked(so_far.samples, rows))
    with _stage("learn", so_far, observe):
        if len(kept) < len(rows):
            rows = rows[kept]
            final = train_weighted(Picked(so_far.samples, rows, weights[rows]), stm=parts.stm, task=parts.task)
            weights = weights / weights[rows].mean()
        final = final.settled()
    samples = Picked(so_far.samples, rows, _rounded(weights[rows]))
    with _stage("evaluate", so_far, observe):
        accuracy = scored(parts, so_far, final)
    with _stage("write", so_far, observe):
        write_dataset(run.path / "dataset" / "train.parquet", samples, parts.task)
    so_far.count_time()
    metrics = accuracy | counted(parts, so_far, samples) | {"decontamination": decontamination}
    run.write_metrics(metrics)
    return metrics


def _rounded(weights: FloatArray) -> FloatArray:
    """Round to six digits: far finer than weights mean anything, coarser than what libraries may differ in."""
    return np.array([float(f"{weight:.6g}") for weight in weights])


@contextmanager
def _stage(name: Stage, so_far: Progress, observe: Observer) -> Iterator[None]:
    observe(StageStarted(name))
    began = perf_counter()
    try:
        yield
    finally:
        so_far.seconds[name] += perf_counter() - began
