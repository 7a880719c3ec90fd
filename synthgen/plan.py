"""What a recipe would do: counts, prompts as they would be sent, tokens and memory."""

from typing import Any

from synthgen.assemble import assemble
from synthgen.plms.catalog import PLM, catalog
from synthgen.recipe import Recipe
from synthgen.tasks.task import Task

TOKENS_PER_WORD = 1.4
"""Rough for English text; a plan is made without loading a tokenizer."""


def plan_recipe(recipe: Recipe) -> dict[str, Any]:
    """Check the recipe and return its plan: counts, prompts, estimated tokens and memory (gigabytes).

    Raises ``UserError`` for what a run would refuse. Prompts are shown for the first two labels, with placeholders
    where demonstrations chosen by the run will stand.
    """
    parts = assemble(recipe.model_copy(update={"gold": "none"}))
    by_round = [
        sum(sum(quota.values()) for quota in parts.method.plan(number, []).quotas.values())
        for number in range(recipe.rounds + 1)
    ]
    shown = [f"<demonstration {number + 1}>" for number in range(recipe.demos)]
    return {
        "method": recipe.method,
        "task": parts.task.name,
        "plms": [f"{plm.name} ({plm.model})" for plm in parts.plms],
        "rounds": recipe.rounds,
        "samples": sum(by_round),
        "samples_by_round": by_round,
        "requests": f"{sum(by_round)}, and again for each rejected text (at most {recipe.attempts} times)",
        "tokens": _tokens(recipe, parts.task, by_round),
        "memory": _memory(parts.plms),
        "stm": recipe.stm,
        "prompts": {
            "zero_shot": {label: parts.task.zero_shot(label) for label in parts.task.labels[:2]},
            "few_shot": {label: parts.task.few_shot(label, shown) for label in parts.task.labels[:2]},
        },
    }


def _tokens(recipe: Recipe, task: Task, by_round: list[int]) -> dict[str, int]:
    label = task.labels[0]
    written = task.sampling.max_tokens // 2
    zero = len(task.zero_shot(label).split()) * TOKENS_PER_WORD
    demonstration = len(task.prompts.demonstration.split()) * TOKENS_PER_WORD + written
    few = len(task.few_shot(label, []).split()) * TOKENS_PER_WORD + recipe.demos * demonstration
    return {
        "prompt (about)": int(by_round[0] * zero + sum(by_round[1:]) * few),
        "completion (about)": sum(by_round) * written,
        "completion (at most, before retries)": sum(by_round) * task.sampling.max_tokens,
    }


def _memory(plms: tuple[PLM, ...]) -> str:
    known = {entry.model: entry.memory for sizes in catalog().values() for entry in sizes.values()}
    needs = [f"{plm.name} {known[plm.model]:g} GB" for plm in plms if plm.model in known]
    return ("; ".join(needs) or "unknown") + " (one PLM at a time)"
