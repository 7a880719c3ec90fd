"""Find the runs that are to be compared: run folders, and folders that hold some."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.report.comparison import comparison_rows
from synthgen.runs.read import load_run

DEPTH = 2


def rows_of_runs(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """Return the ``comparison_rows`` of run folders and of all runs up to two levels below other folders.

    A run ``<arm>/seed-<n>``, as studies write them, belongs to the arm that its parent folder names, with the folder
    above where two have that name.
    A run that was given twice is there once. Raises ``UserError`` for a folder without runs.
    """
    found = list(dict.fromkeys(run for path in paths for run in _runs(Path(path))))
    loaded = [load_run(path) for path in found]
    arms = _arms(found)
    named = [f"{arm}/{run.name}" if arm else run.name for arm, run in zip(arms, loaded, strict=True)]
    recipes = [run.recipe.model_dump(mode="json") for run in loaded]
    metrics = [run.metrics for run in loaded]
    return comparison_rows(list(zip(named, recipes, metrics, strict=True)), arms=arms)


def _runs(path: Path) -> list[Path]:
    if (path / "recipe.yaml").is_file():
        return [path.resolve()]
    if not path.is_dir():
        raise UserError(f"There is no folder {path}; name a run, or a folder that holds runs.")
    levels = [pattern for depth in range(1, DEPTH + 1) for pattern in path.glob("*/" * depth + "recipe.yaml")]
    if not levels:
        raise UserError(f"{path} is not a run folder (it has no recipe.yaml), and holds none up to two levels below.")
    return sorted((file.parent.resolve() for file in levels), key=_natural)


def _arms(paths: Sequence[Path]) -> list[str | None]:
    parents = [path.parent if re.fullmatch(r"seed-\d+", path.name) else None for path in paths]
    names = [parent.name for parent in dict.fromkeys(parents) if parent]
    return [None if parent is None else _told_apart(parent, names) for parent in parents]


def _told_apart(path: Path, names: Sequence[str]) -> str:
    return path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key by which seed-2 comes before seed-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]
