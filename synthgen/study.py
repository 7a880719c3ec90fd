"""A study: several settings, each over the same seeds, on the same texts as far as these are the same for all.

One file says it all (``recipes/compare-*.yaml``); every run of it is an ordinary one in a folder of its own.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthgen.api import execute
from synthgen.assemble import assemble
from synthgen.errors import UserError
from synthgen.recipe import Recipe, make_recipe, read_settings, without_addresses
from synthgen.runs.files import write_bytes
from synthgen.runs.folder import read_manifest
from synthgen.runs.read import Run, load_run
from synthgen.shelf import Shelf
from synthgen.tasks.bounded import parse
from synthgen.text import nearest

_NAME = re.compile(r"[\w+=-][\w+.= -]*")


FILE = "study.yaml"
"""The study's own copy of its file, in its folder."""


class Study(BaseModel):
    """What is compared.

    ``compare`` names the study. Each of the ``arms`` is a recipe's settings over the common ``settings``. The texts
    of the arm ``pool``, which runs first, are every other arm's pool, so that zero-shot texts are paid for once a seed.
    Differences are taken to the arm ``baseline``; without one, to the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    compare: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    settings: dict[str, Any] = {}
    pool: str | None = None
    baseline: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Study":
        for name in (self.compare, *self.arms):
            if not _NAME.fullmatch(name):
                raise ValueError(f"studies and arms are called as folders are, and {name!r} cannot be one")
        for name, settings in {"settings": self.settings, **self.arms}.items():
            if "seed" in settings:
                raise ValueError(f"{name}: a seed stands there; give seeds for all")
        for role in ("pool", "baseline"):
            name = getattr(self, role)
            if name is not None and name not in self.arms:
                raise ValueError(f"{role}: there is no arm {name!r}{nearest(name, list(self.arms))}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed stands there twice")
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of a study, and where it is written."""

    arm: str
    recipe: Recipe
    path: Path


def is_study(path: Path) -> bool:
    """Tell whether a file compares several settings; False for anything that cannot be read."""
    try:
        loaded = parse(path.read_text(encoding="utf-8"))[0]
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(loaded, dict) and not {"arms", "seeds", "compare"}.isdisjoint(loaded)


def read_study(path: Path) -> Study:
    """Read a study's file. Raises ``UserError`` where it is wrong, naming the nearest right setting."""
    try:
        return Study.model_validate(read_settings(path))
    except ValidationError as error:
        # A misspelt key is missing under its right name too; the misspelling says more.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        setting = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UserError(f"A study has no {setting!r}{nearest(setting, list(Study.model_fields))}") from None
        said = first["msg"].removeprefix("Value error, ")
        raise UserError(f"Study {path.name}: {f'{setting}: ' if setting else ''}{said}.") from None


def told_baseline(folders: Sequence[Path]) -> str | None:
    """Return the arm that the first of the folders that holds a study takes differences to, None where none does."""
    for folder in folders:
        if is_study(folder / FILE):
            study = read_study(folder / FILE)
            return study.baseline or next(iter(study.arms))
    return None


def entries(study: Study, out: Path) -> list[Entry]:
    """Return the study's runs, seed after seed, the pool's arm first, in ``out/<arm>/seed-<n>``.

    Raises ``UserError``, with the arm, where a recipe is wrong.
    """
    first = [study.pool] if study.pool else []
    order = [*first, *(name for name in study.arms if name not in first)]
    return [_entry(study, name, seed, out) for seed in study.seeds for name in order]


def unequal(study: Study, out: Path) -> str | None:
    """Return a sentence where the arms do not ask for equally many samples: no fair comparison."""
    asked = {one.arm: len(without_addresses(one.recipe.plms)) * one.recipe.samples for one in entries(study, out)}
    if len(set(asked.values())) == 1:
        return None
    return f"The arms ask for different numbers of samples: {', '.join(f'{arm} {n}' for arm, n in asked.items())}."


def perform(entry: Entry, shelf: Shelf) -> Run:
    """Execute one run of a study, watched by nobody."""
    return execute(entry.recipe, out=entry.path, resume="if-possible", shelf=shelf)


def run_study(
    study: Study, out: Path, *, resume: bool = False, perform: Callable[[Entry, Shelf], Run] = perform
) -> Iterator[Run]:
    """Yield the finished runs as they come; with ``resume`` complete ones are taken as they are, others go on.

    ``perform`` executes a run; another one may show it. Raises ``UserError`` before anything is written where an arm's
    recipe is wrong, or where there are runs and ``resume`` is not asked for.
    """
    planned = entries(study, out)
    if not resume and any((one.path / "recipe.yaml").exists() for one in planned):
        raise UserError(f"{out} already holds runs of a study; add --resume to go on with it, or choose another --out.")
    shelf = Shelf()
    _check_arms(planned, study, shelf)
    write_bytes(out / FILE, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True).encode())
    for one in planned:
        if read_manifest(one.path).get("status") == "complete" and load_run(one.path).recipe.work == one.recipe.work:
            yield load_run(one.path)
            continue
        yield perform(one, shelf)


def asked(study: Study, out: Path) -> str | None:
    """Return a sentence on private samples that several runs ask: each promises for itself."""
    runs = [one.recipe for one in entries(study, out) if one.recipe.private and one.recipe.privacy.enabled]
    if len(runs) < 2:
        return None
    total = sum(recipe.privacy.epsilon for recipe in runs)
    return f"{len(runs)} runs ask private samples; together they may spend an epsilon of up to {total:g}."


def _check_arms(planned: Sequence[Entry], study: Study, shelf: Shelf) -> None:
    """Raise ``UserError`` for what would be found wrong when an arm's turn comes: methods, options, files, STMs."""
    for one in {entry.arm: entry for entry in reversed(planned)}.values():
        fed = study.pool is not None and one.arm != study.pool and "pool" not in study.arms[one.arm]
        try:
            assemble(one.recipe.model_copy(update={"pool": ()}) if fed else one.recipe, look=False, shelf=shelf)
        except UserError as error:
            raise UserError(f"Arm {one.arm}: {error}") from None


def _entry(study: Study, name: str, seed: int, out: Path) -> Entry:
    settings = {"method": name, **study.settings, **study.arms[name], "seed": seed}
    if study.pool and name != study.pool and "pool" not in settings:
        # Absolute: a run is repeated from its recipe, from anywhere.
        settings["pool"] = [str(_place(out, study.pool, seed).resolve())]
    try:
        recipe = make_recipe(settings)
    except UserError as error:
        raise UserError(f"Arm {name}: {error}") from None
    return Entry(name, recipe, _place(out, name, seed))


def _place(out: Path, arm: str, seed: int) -> Path:
    return out / arm / f"seed-{seed}"
