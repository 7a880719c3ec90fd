"""Check a task file: all that is wrong with it, and what may not be meant."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthgen.errors import SynthgenError
from synthgen.tasks.judge import judge_prompts
from synthgen.tasks.marked import Marked
from synthgen.tasks.problem import Problem, errors, in_order
from synthgen.tasks.read import read_task
from synthgen.tasks.registry import load_task, prompts_folder, task_names
from synthgen.tasks.task import Task
from synthgen.text import nearest


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check: the task where its file can be used, and the problems in the order of the file."""

    path: Path
    task: Task | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return what must be mended."""
        return tuple(errors([*self.problems]))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what may not be meant."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def check_file(path: Path, *, context: int, gold: bool = True) -> Checked:
    """Check a task file, and with ``gold`` whether its gold data can be had and have its labels.

    ``context`` is how many tokens the PLM with the least context reads.
    """
    task, marked, problems = read_task(path)
    if task is not None and marked is not None:
        problems += judge_prompts(task, marked, context)
        problems += _name(task, marked, path)
        problems += _labels_of(task, marked)
        if gold and not errors(problems):
            problems += _gold(task, marked)
    return Checked(path, task, tuple(in_order(problems)))


def _name(task: Task, marked: Marked, path: Path) -> Iterator[Problem]:
    if task.name in task_names() and path.resolve().parent != prompts_folder().resolve():
        said = f"{task.name} is also the name of a bundled task; another one keeps their runs apart"
        yield marked.at(("name",), said, warning=True)


def _labels_of(task: Task, marked: Marked) -> Iterator[Problem]:
    if task.gold is None or task.gold.labels_of is None:
        return
    name = task.gold.labels_of
    if name not in task_names():
        said = f"gold.labels_of names the task {name!r}, which there is not{nearest(name, task_names())}"
        yield marked.at(("gold", "labels_of"), said.removesuffix("."))
        return
    known = {*load_task(name).labels, *(rule.label for rule in task.gold.relabel)}
    for place, label in enumerate(task.labels):
        if label not in known:
            said = (
                f"the gold data have the labels of {name}, and {label} is none of them{nearest(label, sorted(known))}"
            )
            yield marked.at(("labels", place), said.removesuffix("."))


def _gold(task: Task, marked: Marked) -> Iterator[Problem]:
    from synthgen.tasks.gold import gold_of
    from synthgen.tasks.gold_hub import NotLoadedError

    if task.gold is None:
        yield marked.at((), "no gold data are named: accuracy wants --gold FILE", warning=True)
        return
    try:
        gold = gold_of(task)
    except NotLoadedError as error:
        said = f"gold dataset {task.gold.hub or task.gold.path} {error}; whether it fits was not looked at"
        yield marked.at(("gold",), said, key=True, warning=True)
        return
    except SynthgenError as error:
        yield marked.at(("gold",), str(error).removesuffix("."), key=True)
        return
    for label in sorted(set(task.labels) - set(gold.labels)):
        said = f"no gold text has the label {label}"
        yield marked.at(("gold",), said, key=True, warning=True)
