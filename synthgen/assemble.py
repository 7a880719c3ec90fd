"""From a recipe's names to the parts they stand for; every mistake is found here, before anything is written."""

import json
import platform
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.curate.language import LanguageCheck
from synthgen.errors import UserError
from synthgen.methods import find_method, make_method
from synthgen.parts import Parts
from synthgen.plms.arrange import Arrangement, arrange
from synthgen.plms.catalog import PLM, POOL
from synthgen.plms.hardware import gpus
from synthgen.plms.pocket import SERVED
from synthgen.plms.resolve import resolve_plms
from synthgen.pool import Pool, read_pool
from synthgen.recipe import Recipe, is_scripted
from synthgen.runs.folder import FORMAT
from synthgen.seeds import short_id
from synthgen.shelf import Shelf
from synthgen.tasks.first_sentences import read_first_sentences
from synthgen.tasks.gold import Sealed
from synthgen.tasks.gold_labels import known_labels
from synthgen.tasks.registry import the_task
from synthgen.tasks.task import Task

if TYPE_CHECKING:
    from synthgen.privacy.vault import Vault


def assemble(recipe: Recipe, *, look: bool = True, shelf: Shelf | None = None) -> Parts:
    """Resolve task, PLMs, STM, method and gold. Raises ``UserError`` for whatever is wrong with one of them.

    With ``look`` false no server and no Hub is asked about the PLMs. What is heavy and the same for several runs is
    taken from the ``shelf``. Raises ``SynthgenError`` where a server does not answer.
    """
    shelf = shelf or Shelf()
    task = the_task(recipe.task, recipe.labels, recipe.about)
    if recipe.curate and task.curate.language is not None:
        LanguageCheck(task.curate.language)
    plms = resolve_plms(recipe.plms, recipe.profile, endpoints=recipe.endpoint, serving=recipe.serving)
    pool = _pool(recipe, task, plms)
    stm = shelf.stm(recipe)
    vault, notes = open_vault(recipe, task)
    method = make_method(recipe, task, [plm.name for plm in plms], stm, vault)
    gold = shelf.gold(recipe, task)
    arrangement = arrange(plms, recipe.engine, look=look)
    notes = (*notes, *_not_debiased(recipe, arrangement), *_unfit(task, arrangement))
    sealed = Sealed(gold) if gold else None
    return Parts(task, arrangement, stm, method, sealed, vault, notes, pool, first_sentences(recipe, task))


def _pool(recipe: Recipe, task: Task, plms: Sequence[PLM]) -> Pool | None:
    """Read the pool. Raises ``UserError`` where it is wrong, has nothing of these PLMs, or one cannot go on writing."""
    silent = [plm.name for plm in plms if plm.size == POOL]
    pool = read_pool(recipe.pool, task) if recipe.pool else None
    wrote = pool.plms if pool else ()
    if unknown := [name for name in silent if name not in wrote]:
        where = f"the pool's PLMs are {', '.join(wrote)}" if wrote else "give --pool FILE"
        raise UserError(f"There is no text of {', '.join(unknown)} in a pool: {where}.")
    if pool and not {plm.name for plm in plms} & set(wrote):
        raise UserError(f"The pool has texts of {', '.join(wrote)} and of none of the PLMs; name them in --plms.")
    if silent and recipe.rounds and find_method(recipe.method).feedback:
        raise UserError(
            f"{', '.join(silent)} can be read from the pool but cannot write behind {recipe.method}'s feedback; "
            f"take --rounds 0, or say what writes on: --plms {silent[0]}=MODEL."
        )
    return pool


def first_sentences(recipe: Recipe, task: Task) -> tuple[str, ...] | None:
    """Return the sentences that are given in a task of pairs, None where PLMs write their own.

    Raises ``UserError`` where the task has no pairs, or there are none.
    """
    if recipe.first_sentences is None or (task.first and recipe.first_sentences == "generated"):
        return None
    if task.first is None:
        raise UserError(f"Task {task.name} has single texts; leave --first-sentences out.")
    return read_first_sentences(recipe.first_sentences, task)


def _not_debiased(recipe: Recipe, arrangement: Arrangement) -> list[str]:
    if not recipe.debias:
        return []
    able = {"transformers", "scripted", POOL}
    engines = {plm.name: arrangement.chosen[plm.name].engine.removeprefix("ray:") for plm in arrangement.plms}
    names = [name for name, engine in engines.items() if engine not in able]
    cannot = "may not be" if "ray" in engines.values() else "cannot be"
    said = (
        f"{', '.join(names)} {cannot} debiased: of the engines only transformers shows the next token's probabilities."
    )
    return [said] if names else []


def _unfit(task: Task, arrangement: Arrangement) -> list[str]:
    """Say that the pocket PLMs know a few tasks only."""
    chosen = [arrangement.chosen[plm.name].engine for plm in arrangement.plms if plm.size == "pocket"]
    if task.name in SERVED or all(map(is_scripted, chosen)):
        return []
    return [
        f"The pocket PLMs learnt to write for {', '.join(SERVED)} only: their texts for task {task.name} will hardly "
        "obey its labels. Take larger PLMs, such as --plms qwen3:small or name=URL."
    ]


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
    private = {_content(path) for path in recipe.private}
    if shared := [Path(path).name for path in recipe.pool if _content(path) in private]:
        raise UserError(f"Pool {shared[0]} is one of the private files; a pool's texts are shown and published.")
    gold = Path(recipe.gold).resolve() if recipe.gold else None
    if recipe.privacy.enabled and gold in [Path(path).resolve() for path in recipe.private]:
        raise UserError("--gold is one of the private files, and accuracy is not noised; measure on other samples.")
    from synthgen.embedders.registry import make_embedder
    from synthgen.privacy.parties import check_records, read_records
    from synthgen.privacy.vault import Vault

    embedder = make_embedder(recipe.embedder)
    records = read_records(recipe.private, task.labels, embedder, known=known_labels(task))
    notes = check_records(records, task.labels, recipe.privacy)
    return Vault(
        records,
        embedder,
        recipe.privacy,
        seed=recipe.seed,
        n_labels=len(task.labels),
        filters=recipe.filters_private,
    ), tuple(notes)


def _content(path: str) -> bytes | str:
    """Return a hash of a file's content, so that a copy is known; the path where it cannot be read."""
    try:
        return sha256(Path(path).read_bytes()).digest()
    except OSError:
        return str(Path(path).resolve())


def describe(recipe: Recipe, parts: Parts) -> dict[str, Any]:
    """Return what the manifest says of a run besides its times and status."""
    return {
        "method": recipe.method,
        "task": parts.task.name,
        "task_digest": _digest(parts.task),
        "profile": recipe.profile,
        "seed": recipe.seed,
        "format": FORMAT,
        "fingerprint": recipe.fingerprint,
        "settings_digest": recipe.settings_digest,
        "plms": _described(parts.arrangement),
        "device": _device(recipe.engine),
        "versions": _versions(),
        **({"privacy": _promised(parts.vault)} if parts.vault else {}),
        **({"first_sentences": short_id(*parts.first_sentences)} if parts.first_sentences else {}),
        **({"gold": {"source": parts.gold.source, "digest": parts.gold.digest}} if parts.gold else {}),
        **({"pool": {"files": parts.pool.source, "sha256": parts.pool.digest}} if parts.pool else {}),
    }


def _digest(task: Task) -> str:
    """Return a hash of a task, wherever its gold lies on this machine."""
    said = task.model_dump(mode="json")
    if task.gold and task.gold.path:
        said["gold"]["path"] = Path(task.gold.path).name
    return short_id(json.dumps(said, sort_keys=True))


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
                "model": "scripted" if is_scripted(engine) else plm.model,
                "revision": plm.revision,
                "license": plm.license,
                "size": plm.size,
                "engine": engine,
            }
        )
    return rows


def _device(engine: str) -> str:
    found = () if is_scripted(engine) else gpus()
    return ", ".join(gpu.name for gpu in found) or f"cpu ({platform.machine()})"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("synthgen", "torch", "transformers", "datasets", "scikit-learn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
