"""What a recipe would do: counts, prompts as they would be sent, tokens, time, memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, cast

from synthgen.assemble import first_sentences, open_vault
from synthgen.downstream.registry import check_stm
from synthgen.downstream.stm import STM
from synthgen.errors import UserError
from synthgen.estimate import memory_of, time_of
from synthgen.methods import find_method, make_method
from synthgen.methods.base import PrivateMethod
from synthgen.plms.arrange import arrange
from synthgen.plms.catalog import PLM
from synthgen.plms.hardware import gpus
from synthgen.plms.lookup import look_up
from synthgen.plms.resolve import resolve_plms
from synthgen.pool import read_pool
from synthgen.recipe import Recipe
from synthgen.tasks.registry import the_task
from synthgen.tasks.task import Task

TOKENS_PER_WORD = 1.4
"""Rough for English text; a plan is made without loading a tokenizer."""


def plan_recipe(recipe: Recipe) -> dict[str, Any]:
    """Check the recipe and return its plan: counts, prompts, estimated tokens, time and memory (gigabytes).

    Raises ``UserError`` for what no machine could run; what does not fit this one is said under ``memory``. Neither a
    server nor the Hub is asked. Prompts are shown for the first two labels, with placeholders where demonstrations
    chosen by the run will stand.
    """
    task = the_task(recipe.task, recipe.labels, recipe.about)
    plms = _with_folders(resolve_plms(recipe.plms, recipe.profile, endpoints=recipe.endpoint, serving=recipe.serving))
    check_stm(recipe.stm, recipe.stm_options)
    if recipe.first_sentences != "gold":
        first_sentences(recipe, task)
    vault, notes = open_vault(recipe, task)
    # A plan trains nothing, and a fine-tuned encoder may have to be downloaded first.
    method = make_method(recipe, task, [plm.name for plm in plms], cast(STM, None), vault)
    quotas = [method.plan(number, []).quotas for number in range(recipe.rounds + 1)]
    feeds_back = find_method(recipe.method).feedback
    spared = _from_pool(recipe, task, quotas[:1] if feeds_back else quotas)
    by_round = [sum(sum(quota.values()) for quota in one.values()) for one in quotas]
    by_plm = Counter({plm.name: sum(sum(one[plm.name].values()) for one in quotas) for plm in plms})
    shown = {label: task.as_sent(method.example(label)) for label in task.labels[:2]}
    asked = [count - spare for count, spare in zip_longest(by_round, spared, fillvalue=0)]
    return {
        "method": recipe.method,
        "task": task.name,
        "plms": [f"{plm.name} ({plm.model or 'what its server serves'})" for plm in plms],
        "rounds": recipe.rounds,
        "samples": sum(by_round),
        "samples_by_round": by_round,
        **({"from the pool": f"{sum(spared)} samples"} if recipe.pool else {}),
        "requests": f"{sum(asked)}, and again for each rejected text (at most {recipe.attempts} times)",
        **_first_sentences(recipe, task, quotas),
        "tokens": _tokens(recipe, task, asked),
        **_on_this_machine(recipe, task, plms, by_plm),
        "stm": recipe.stm,
        **(
            {"privacy": _finite({**vault.terms(), **cast(PrivateMethod, method).outlook(), "notes": notes})}
            if vault
            else {}
        ),
        "prompts": {
            "zero_shot": {label: task.as_sent(task.zero_shot(label)) for label in task.labels[:2]},
            **({"few_shot": shown} if feeds_back else {}),
        },
    }


def _first_sentences(recipe: Recipe, task: Task, quotas: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, str]:
    """Say how many requests more it takes where PLMs write the sentences that are given."""
    if task.first is None or recipe.first_sentences not in (None, "generated"):
        return {}
    count = sum(max(quota.values(), default=0) for one in quotas for quota in one.values())
    return {
        "first sentences": f"at most {count} requests more: the PLMs write them (--first-sentences FILE brings some)"
    }


def _from_pool(recipe: Recipe, task: Task, quotas: Sequence[Mapping[str, Mapping[str, int]]]) -> list[int]:
    """Return how many samples of each zero-shot round a pool has texts for, if none of them is rejected."""
    if not recipe.pool:
        return []
    left = Counter({key: len(texts) for key, texts in read_pool(recipe.pool, task).texts.items()})
    spared = []
    for one in quotas:
        wanted = Counter({(plm, label): count for plm, quota in one.items() for label, count in quota.items()})
        taken = wanted & left
        left -= taken
        spared.append(taken.total())
    return spared


def _finite(said: dict[str, Any]) -> dict[str, Any]:
    """Put infinity in words: JSON has no number for it."""
    return {name: "inf" if value == float("inf") else value for name, value in said.items()}


def _with_folders(plms: tuple[PLM, ...]) -> tuple[PLM, ...]:
    """Look up what takes no network."""
    return tuple(look_up(plm) if plm.size == "local" else plm for plm in plms)


def _on_this_machine(recipe: Recipe, task: Task, plms: tuple[PLM, ...], samples: Counter[str]) -> dict[str, str]:
    try:
        arrangement = arrange(plms, recipe.engine, look=False)
    except UserError as error:
        return {"memory": f"not on this machine: {error}", "time": "not known", "loads": "none"}
    tokens = {name: count * _written(task) for name, count in samples.items()}
    rounds = recipe.rounds + 1
    loads = arrangement.loads(rounds)
    return {
        "memory": memory_of(arrangement),
        "time": time_of(arrangement, tokens, rounds=rounds, gpus=gpus()),
        "loads": f"{loads}, each PLM once a {'round' if len(arrangement.groups) > 1 else 'run'}" if loads else "none",
    }


def _tokens(recipe: Recipe, task: Task, by_round: list[int]) -> dict[str, int]:
    label, written = task.labels[0], _written(task)
    zero = len(task.zero_shot(label).split()) * TOKENS_PER_WORD
    demonstration = len(task.prompts.demonstration.split()) * TOKENS_PER_WORD + written
    few = len(task.few_shot(label, []).split()) * TOKENS_PER_WORD + recipe.demos * demonstration
    return {
        "prompt (about)": int(by_round[0] * zero + sum(by_round[1:]) * few),
        "completion (about)": sum(by_round) * written,
        "completion (at most, before retries)": sum(by_round) * task.sampling.max_tokens,
    }


def _written(task: Task) -> int:
    """Return the tokens of a text, about."""
    return task.sampling.max_tokens // 2
