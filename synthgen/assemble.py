"""From a recipe's names to the parts they stand for; every mistake is found here, before anything is written."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from synthgen.downstream.registry import make_stm
from synthgen.evolve import Parts
from synthgen.methods import make_method
from synthgen.plms.arrange import Arrangement, arrange
from synthgen.plms.hardware import gpus
from synthgen.plms.resolve import resolve_plms
from synthgen.recipe import Recipe
from synthgen.tasks.gold import load_gold
from synthgen.tasks.registry import load_task


def assemble(recipe: Recipe, *, look: bool = True) -> Parts:
    """Resolve task, PLMs, STM, method and gold. Raises ``UserError`` for whatever is wrong with one of them.

    With ``look`` false no server and no Hub is asked about the PLMs. Raises ``SynthgenError`` where a server does not
    answer.
    """
    task = load_task(recipe.task)
    plms = resolve_plms(recipe.plms, recipe.profile, endpoints=recipe.endpoint, serving=recipe.serving)
    stm = make_stm(recipe.stm, seed=recipe.seed)
    method = make_method(recipe, task, [plm.name for plm in plms], stm)
    gold = load_gold(task, recipe.gold, pocket=recipe.profile == "pocket")
    return Parts(task, arrange(plms, recipe.engine, look=look), stm, method, gold)


def describe(recipe: Recipe, parts: Parts) -> dict[str, Any]:
    """Return what the manifest says of a run besides its times and status."""
    return {
        "method": recipe.method,
        "task": parts.task.name,
        "profile": recipe.profile,
        "seed": recipe.seed,
        "fingerprint": recipe.fingerprint,
        "plms": _described(parts.arrangement),
        "device": _device(recipe.engine),
        "versions": _versions(),
    }


def _described(arrangement: Arrangement) -> list[dict[str, Any]]:
    rows = []
    for plm in arrangement.plms:
        engine = arrangement.chosen[plm.name].engine
        rows.append(
            {
                "name": plm.name,
                "model": "scripted" if engine == "scripted" else plm.model,
                "revision": plm.revision,
                "license": plm.license,
                "size": plm.size,
                "engine": engine,
            }
        )
    return rows


def _device(engine: str) -> str:
    found = gpus() if engine != "scripted" else ()
    return ", ".join(gpu.name for gpu in found) or f"cpu ({platform.machine()})"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("synthgen", "torch", "transformers", "datasets", "scikit-learn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
