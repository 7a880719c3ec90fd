"""From a recipe's names to the parts they stand for; every mistake is found here, before anything is written."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.evolve import Parts
from synthgen.methods import find_method, make_method
from synthgen.plms.arrange import Arrangement, arrange
from synthgen.plms.hardware import gpus
from synthgen.plms.resolve import resolve_plms
from synthgen.recipe import Recipe
from synthgen.tasks.gold import load_gold
from synthgen.tasks.registry import the_task
from synthgen.tasks.task import Task

if TYPE_CHECKING:
    from synthgen.privacy.vault import Vault


def assemble(recipe: Recipe, *, look: bool = True) -> Parts:
    """Resolve task, PLMs, STM, method and gold. Raises ``UserError`` for whatever is wrong with one of them.

    With ``look`` false no server and no Hub is asked about the PLMs. Raises ``SynthgenError`` where a server does not
    answer.
    """
    task = the_task(recipe.task, recipe.labels, recipe.about)
    plms = resolve_plms(recipe.plms, recipe.profile, endpoints=recipe.endpoint, serving=recipe.serving)
    stm = make_stm(recipe.stm, seed=recipe.seed)
    vault, notes = open_vault(recipe, task)
    method = make_method(recipe, task, [plm.name for plm in plms], stm, vault)
    gold = load_gold(task, recipe.gold, pocket=recipe.profile == "pocket")
    return Parts(task, arrange(plms, recipe.engine, look=look), stm, method, gold, vault, notes)


def open_vault(recipe: Recipe, task: Task) -> tuple["Vault | None", tuple[str, ...]]:
    """Read the private samples of a private method; return them with what their owner, and nobody else, should hear.

    Raises ``UserError`` where there are none, where there are some and the method has no use for them, and for what is
    wrong with them.
    """
    if not find_method(recipe.method).private:
        if recipe.private:
            raise UserError(f"{recipe.method} makes no use of private samples; leave --private out or take wasp.")
        return None, ()
    if not recipe.private:
        raise UserError(f"{recipe.method} learns from private samples; give --private FILE.")
    gold = Path(recipe.gold).resolve() if recipe.gold else None
    if recipe.privacy.enabled and gold in [Path(path).resolve() for path in recipe.private]:
        raise UserError("--gold is one of the private files, and accuracy is not noised; measure on other samples.")
    from synthgen.embedders.registry import make_embedder
    from synthgen.privacy.parties import check_records, read_records
    from synthgen.privacy.vault import Vault

    embedder = make_embedder(recipe.embedder)
    records = read_records(recipe.private, task.labels, embedder)
    notes = check_records(records, task.labels, recipe.privacy)
    return Vault(records, embedder, recipe.privacy, seed=recipe.seed, n_labels=len(task.labels)), tuple(notes)


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
        **({"privacy": _promised(parts.vault)} if parts.vault else {}),
    }


def _promised(vault: "Vault") -> dict[str, Any]:
    if not vault.privacy.enabled:
        return {"promised": "nothing: the private samples are not protected"}
    return {"epsilon": vault.epsilon, "delta": vault.privacy.delta, **vault.terms()}


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
