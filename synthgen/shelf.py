"""What runs that follow each other need not make anew: STMs, with the texts they have read, and gold data."""

from typing import Any

from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import STM
from synthgen.recipe import Recipe
from synthgen.tasks.gold import Gold, load_gold
from synthgen.tasks.task import Task


class Shelf:
    """Holds them in memory. An STM starts anew in each run; one is shared where what it keeps is each text's alone."""

    def __init__(self) -> None:
        self._stms: dict[Any, STM] = {}
        self._gold: dict[Any, Gold | None] = {}

    def stm(self, recipe: Recipe) -> STM:
        """Return the recipe's STM. Raises ``UserError`` as ``make_stm``."""
        key = recipe.stm, repr(sorted(recipe.stm_options.items())), recipe.seed if _seeded(recipe.stm) else None
        if key in self._stms:
            return self._stms[key]
        stm = make_stm(recipe.stm, seed=recipe.seed, options=recipe.stm_options)
        if not stm.batched:
            self._stms[key] = stm
        return stm

    def gold(self, recipe: Recipe, task: Task) -> Gold | None:
        """Return the recipe's gold data. Raises ``UserError`` as ``load_gold``."""
        key = task.name, task.labels, str(task.gold), recipe.gold, recipe.profile
        if key not in self._gold:
            self._gold[key] = load_gold(task, recipe.gold, pocket=recipe.profile == "pocket")
        return self._gold[key]


def _seeded(spec: str) -> bool:
    return spec.startswith("encoder:")
