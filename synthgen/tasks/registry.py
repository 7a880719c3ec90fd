"""Find tasks: the YAML files that ship in ``prompts/`` and the user's own."""

from collections.abc import Collection, Sequence
from pathlib import Path

from synthgen.errors import UserError
from synthgen.tasks.generic import generic_task
from synthgen.tasks.problem import errors
from synthgen.tasks.read import read_task
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
    """Return the first bundled task, by its name, that has exactly these labels; None where there is none."""
    return next((name for name in task_names() if set(load_task(name).labels) == set(labels)), None)


def task_file(name: str) -> Path:
    """Return the file of a bundled task, or the task file at a path. Raises ``UserError`` where there is none."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise UserError(f"There is no task file {name}.")
        return path
    if name not in task_names():
        raise UserError(f"There is no task {name!r}{nearest(name, task_names())} `synthgen tasks` lists them.")
    return prompts_folder() / f"{name}.yaml"


def load_task(name: str) -> Task:
    """Load a bundled task by name or a task file by path. Raises ``UserError`` where there is none or it is wrong.

    Gold data that the file names by a relative path are looked for beside it.
    """
    path = task_file(name)
    task, _, problems = read_task(path)
    if task is None:
        first, *more = errors(problems)
        rest = f" ({len(more)} more: `synthgen tasks check {name}`)" if more else ""
        raise UserError(f"Task file {path.name} is wrong in {first.sentence}{rest}")
    return task
