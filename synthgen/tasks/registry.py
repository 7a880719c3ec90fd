"""Find tasks: the YAML files that ship in ``prompts/`` and the user's own."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.tasks.generic import generic_task
from synthgen.tasks.task import Task
from synthgen.text import nearest

_PACKAGE = Path(__file__).resolve().parent.parent


def prompts_folder() -> Path:
    """Return the folder of bundled task files: inside an installed package, beside it in a checkout."""
    inside = _PACKAGE / "prompts"
    return inside if inside.is_dir() else _PACKAGE.parent / "prompts"


def task_names() -> list[str]:
    """Return the names of the bundled tasks, sorted."""
    return sorted(path.stem for path in prompts_folder().glob("*.yaml"))


def the_task(name: str, labels: Sequence[str] = (), about: str | None = None) -> Task:
    """Return the task of a recipe: a named one, or where no name is given one made from label names."""
    return load_task(name) if name else generic_task(labels, about)


def task_with_labels(labels: Collection[str]) -> str | None:
    """Return the first bundled task that has exactly these labels, None where there is none."""
    return next((name for name in task_names() if set(load_task(name).labels) == set(labels)), None)


def load_task(name: str) -> Task:
    """Load a bundled task by name or a task file by path. Raises ``UserError`` where there is none or it is wrong."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise UserError(f"There is no task file {name}.")
    else:
        path = prompts_folder() / f"{name}.yaml"
        if name not in task_names():
            raise UserError(f"There is no task {name!r}{nearest(name, task_names())} `synthgen tasks` lists them.")
    try:
        return Task.model_validate(_read(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"Task file {path.name} is wrong at {where or 'the top'}: {first['msg']}.") from None


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"Task file {path.name} is not valid YAML: {' '.join(str(error).split())}.") from None
