"""The samples of one round: from the pool as far as it reaches, the rest from the PLMs."""

from collections.abc import Mapping
from dataclasses import replace

from synthgen.contexts import prompts_about, write_contexts
from synthgen.curate.curator import Curator
from synthgen.errors import SynthgenError
from synthgen.events import Note, Observer
from synthgen.generate import Harvest, Order
from synthgen.methods.base import Plan
from synthgen.parts import Parts, Progress
from synthgen.plms.catalog import POOL
from synthgen.plms.engineroom import EngineRoom
from synthgen.pool import Reserve
from synthgen.recipe import Recipe
from synthgen.round import write_round
from synthgen.runs.folder import RunFolder


def gather(
    recipe: Recipe,
    parts: Parts,
    run: RunFolder,
    room: EngineRoom,
    number: int,
    plan: Plan,
    curator: Curator,
    reserve: Reserve | None,
    so_far: Progress,
    observe: Observer,
) -> None:
    """Fill the plan's quotas, write the round's samples, and add them to ``so_far``.

    Raises ``SynthgenError`` where after it there is not a single sample of some label.
    """
    curator.show(plan.shown)
    orders = _orders(recipe, parts, plan, number)
    taken: dict[str, Harvest] = {}
    if reserve and plan.zero_shot:
        for plm, order in orders.items():
            taken[plm], orders[plm] = reserve.fill(order, curator)
    open_orders = _able(parts, orders, observe)
    plms = [plm for plm in parts.arrangement.plms if plm.name in open_orders]
    if plan.contexts and any(order.quota.values() for order in open_orders.values()):
        contexts = write_contexts(recipe, parts.task, plms, plan.contexts, run, room, number, observe)
        for plm, prompts in prompts_about(parts.task, contexts).items():
            open_orders[plm] = replace(open_orders[plm], prompts=prompts)
    harvests = write_round(
        {plm.name: (open_orders[plm.name], run.journal(number, plm, recipe.engine)) for plm in plms},
        seed=recipe.seed,
        attempts=recipe.attempts,
        curator=curator,
        room=room,
        observe=observe,
    )
    for plm, result in harvests.items():
        for note in _shortfalls(plm, result, recipe.attempts):
            observe(Note(note))
    _keep(parts, run, number, [*taken.values(), *harvests.values()], so_far)


def _orders(recipe: Recipe, parts: Parts, plan: Plan, number: int) -> dict[str, Order]:
    sampling = replace(parts.task.draw(recipe.temperature, recipe.top_p), debias=recipe.debias)
    return {
        plm.name: Order(plm.name, number, plan.quotas[plm.name], plan.own.get(plm.name, plan.prompts), sampling)
        for plm in parts.arrangement.plms
    }


def _able(parts: Parts, orders: Mapping[str, Order], observe: Observer) -> dict[str, Order]:
    """Return the orders of PLMs that can write; say what is left open of the others'."""
    able = {}
    for plm, order in orders.items():
        if parts.arrangement.chosen[plm].engine != POOL:
            able[plm] = order
        elif lacking := {label: count for label, count in order.quota.items() if count}:
            said = ", ".join(f"{count} {label}" for label, count in list(lacking.items())[:5])
            observe(Note(f"The pool has not enough texts of {plm}: {said} samples short."))
    return able


def _keep(parts: Parts, run: RunFolder, number: int, harvests: list[Harvest], so_far: Progress) -> None:
    for result in harvests:
        so_far.tokens.update(result.tokens)
        so_far.seconds["curate"] += result.curate_seconds
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
