"""Methods: one file each, one row here, imported when asked for."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.text import nearest

if TYPE_CHECKING:
    from synthgen.downstream.stm import STM
    from synthgen.methods.base import Method
    from synthgen.recipe import Recipe
    from synthgen.tasks.task import Task

METHODS = {
    "fusegen": (
        "synthgen.methods.fusegen:FuseGen",
        "Several PLMs learn from one shared set of demonstrations, chosen by small models each round.",
    ),
}
"""Name -> the class, and what ``--help`` says of it."""


def make_method(recipe: "Recipe", task: "Task", plms: Sequence[str], stm: "STM") -> "Method":
    """Return the recipe's method. Raises ``UserError`` for an unknown one or for options it does not have."""
    if recipe.method not in METHODS:
        raise UserError(f"There is no method {recipe.method!r}{nearest(recipe.method, list(METHODS))}")
    module, _, name = METHODS[recipe.method][0].partition(":")
    kind: Any = getattr(import_module(module), name)
    try:
        return cast("Method", kind(recipe, task, plms, stm))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"Option {option!r} of {recipe.method}: {first['msg']}{nearest(option, list(kind.Options.model_fields))}"
        ) from None
