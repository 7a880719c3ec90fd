"""Methods: one file each, one row here, imported when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.text import nearest

if TYPE_CHECKING:
    from synthgen.downstream.stm import STM
    from synthgen.methods.base import Method
    from synthgen.privacy.vault import Vault
    from synthgen.recipe import Recipe
    from synthgen.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Row:
    """Where a method's class is, what ``--help`` says of it, and whether private samples take part in it.

    Without ``feedback`` the PLMs write zero-shot in every round, so that a pool can take the place of all of them.
    """

    kind: str
    help: str
    private: bool = False
    feedback: bool = True


METHODS = {
    "zerogen": Row(
        "synthgen.methods.zerogen:ZeroGen",
        "Every PLM writes from the label's prompt alone; nothing is fed back.",
        feedback=False,
    ),
    "progen": Row(
        "synthgen.methods.progen:ProGen",
        "Each PLM is shown those of its own samples that help a small model most.",
    ),
    "sungen": Row(
        "synthgen.methods.sungen:SunGen",
        "Zero-shot samples, weighted by how well a small model trained on them does on the others.",
        feedback=False,
    ),
    "fusegen": Row(
        "synthgen.methods.fusegen:FuseGen",
        "Several PLMs learn from one shared set of demonstrations, chosen by small models each round.",
    ),
    "wasp": Row(
        "synthgen.methods.wasp:Wasp",
        "A few private samples vote, under differential privacy, for good and bad examples and for the PLMs.",
        private=True,
    ),
    "augpe": Row(
        "synthgen.methods.augpe:AugPE",
        "A population of texts is varied and, by noised votes of private samples, selected, round after round.",
        private=True,
    ),
    "pe": Row(
        "synthgen.methods.pe:PE",
        "As augpe, with members judged by their variations and drawn by their votes.",
        private=True,
    ),
    "pcevolve": Row(
        "synthgen.methods.pcevolve:PCEvolve",
        "Private samples choose, under differential privacy, one prototype a label; the PLMs vary it.",
        private=True,
    ),
    "rf": Row(
        "synthgen.methods.rf:RF",
        "Not private: zero-shot texts, less those too near to a private sample of another label.",
        private=True,
        feedback=False,
    ),
}


def find_method(name: str) -> Row:
    """Return a method's row. Raises ``UserError`` for an unknown one."""
    if name not in METHODS:
        raise UserError(f"There is no method {name!r}{nearest(name, list(METHODS))}")
    return METHODS[name]


def make_method(
    recipe: "Recipe", task: "Task", plms: Sequence[str], stm: "STM", vault: "Vault | None" = None
) -> "Method":
    """Return the recipe's method; private ones get the ``vault``.

    Raises ``UserError`` for an unknown method or for options it does not have.
    """
    row = find_method(recipe.method)
    module, _, name = row.kind.partition(":")
    kind: Any = getattr(import_module(module), name)
    try:
        return cast("Method", kind(recipe, task, plms, stm, *((vault,) if row.private else ())))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = nearest(option, list(kind.Options.model_fields))
            raise UserError(f"{recipe.method} has no option {option!r}{near}") from None
        raise UserError(f"Option {option!r} of {recipe.method}: {first['msg']} (given: {first['input']!r}).") from None
