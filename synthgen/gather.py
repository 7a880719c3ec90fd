"""The samples of one round: from the pool as far as it reaches, the rest from the PLMs."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from synthgen.contexts import contexts_of, first_sentences_of, prompts_about, write_prelude
from synthgen.curate.curator import Curator
from synthgen.errors import SynthgenError
from synthgen.events import Note, Observer
from synthgen.generate import Harvest, Order
from synthgen.methods.base import Plan
from synthgen.parts import Parts, Progress
from synthgen.plms.catalog import POOL
from synthgen.plms.engineroom import EngineRoom
from synthgen.pool import Reserve
from synthgen.prompt import Prompt
from synthgen.recipe import Recipe
from synthgen.round import write_round
from synthgen.runs.folder import RunFolder
from synthgen.runs.rounds import RoundWriter
from synthgen.seeds import derive_seed
from synthgen.tasks.task import ATTRIBUTE, FIRST


def gather(
    recipe: Recipe,
    parts: Parts,
    run: RunFolder,
    room: EngineRoom,
    number: int,
    plan: Plan,
    curator: Curator,
    reserve: Reserve | None,
    writer: RoundWriter,
    so_far: Progress,
    observe: Observer,
) -> None:
    """Fill the plan's quotas; what is judged goes to the ``writer``, what it took to ``so_far``."""
    curator.show(plan.shown)
    orders = _orders(recipe, parts, plan, number, Counter(so_far.labels))
    taken = []
    if reserve and plan.zero_shot:
        for plm, order in orders.items():
            result, orders[plm] = reserve.fill(order, curator, writer.keep)
            taken.append(result)
    open_orders = _able(parts, orders, observe)
    plms = [plm for plm in parts.arrangement.plms if plm.name in open_orders]
    ask = partial(write_prelude, recipe, parts.task, plms=plms, run=run, room=room, number=number, observe=observe)
    if plan.contexts and any(order.quota.values() for order in open_orders.values()):
        contexts = ask(contexts_of(parts.task), {plm.name: plan.contexts for plm in plms})
        for plm, prompts in prompts_about(parts.task, contexts).items():
            open_orders[plm] = replace(open_orders[plm], prompts=prompts)
    if parts.task.first and parts.first_sentences is None:
        counts = {name: _gaps(order) for name, order in open_orders.items()}
        written = ask(first_sentences_of(parts.task), {name: count for name, count in counts.items() if count})
        for name, count in counts.items():
            if count:
                open_orders[name] = _given(open_orders[name], written.get(name, ()))
    harvests = write_round(
        {plm.name: (open_orders[plm.name], run.journal(number, plm, recipe.engine)) for plm in plms},
        seed=recipe.seed,
        attempts=recipe.attempts,
        curator=curator,
        keep=writer.keep,
        room=room,
        observe=observe,
    )
    for plm, result in harvests.items():
        for note in _shortfalls(plm, result, recipe.attempts):
            observe(Note(note))
    for result in (*taken, *harvests.values()):
        so_far.tokens.update(result.tokens)
        so_far.seconds["curate"] += result.curate_seconds
        so_far.seconds["generate"] -= result.curate_seconds


def _orders(recipe: Recipe, parts: Parts, plan: Plan, number: int, before: Counter[str]) -> dict[str, Order]:
    sampling = replace(parts.task.draw(recipe.temperature, recipe.top_p), debias=recipe.debias)
    orders = {}
    for plm in parts.arrangement.plms:
        drawn: dict[str, Sequence[str]] = {}
        if parts.task.attributes:
            drawn[ATTRIBUTE] = parts.task.attributes.values
        if parts.first_sentences:
            draw = random.Random(derive_seed(recipe.seed, FIRST, plm.name, number))
            drawn[FIRST] = draw.sample(parts.first_sentences, len(parts.first_sentences))
        quota, prompts = plan.quotas[plm.name], plan.own.get(plm.name, plan.prompts)
        orders[plm.name] = Order(plm.name, number, quota, prompts, sampling, drawn, dict(before))
        before.update(quota)
    return orders


def _gaps(order: Order) -> int:
    """Return how many first sentences an order can use: one for each number of requests whose prompts have a gap."""
    gapped = (
        order.quota[label]
        for label, prompts in order.prompts.items()
        if any(isinstance(prompt, Prompt) and FIRST in {name for _, name in prompt.gaps} for prompt in prompts)
    )
    return max(gapped, default=0)


def _given(order: Order, written: Sequence[str]) -> Order:
    if not written:
        raise SynthgenError(f"{order.plm} wrote no first sentence that could be used; give --first-sentences FILE.")
    return replace(order, drawn={**order.drawn, FIRST: written})


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
