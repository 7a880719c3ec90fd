"""Read a task file: the task, or all that is wrong with it, each with its line and in a user's words."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import ScalarNode

from synthgen.tasks.marked import Marked, problem_at, read_as, read_marked
from synthgen.tasks.names import fault_of
from synthgen.tasks.problem import Problem, errors, in_order
from synthgen.tasks.slots import check_slots_of
from synthgen.tasks.task import Task
from synthgen.text import nearest

NAMED = (("describe",), ("curate", "has"), ("gold", "names"))
"""Groups whose keys are a user's own."""


def read_task(path: Path) -> tuple[Task | None, Marked | None, list[Problem]]:
    """Return the task of a file (None where there are errors), its marked YAML, and all problems in their order."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, None, [Problem(line, 1, "not UTF-8; save the file as UTF-8")]
    except OSError as error:
        return None, None, [Problem(1, 1, f"the file cannot be read: {error.strerror}")]
    marked, problems = read_marked(text)
    if marked is None:
        return None, None, problems
    if not isinstance(marked.data, dict):
        said = "a task file is a list of settings such as name: films; `synthgen tasks new FILE` writes one"
        return None, None, [*problems, marked.at((), said)]
    problems += [*_unquoted(marked), *_labels(marked), *check_slots_of(marked)]
    task = None
    try:
        task = Task.model_validate(marked.data)
    except ValidationError as error:
        known = bool(errors(problems))
        taken = {(one.line, one.column) for one in problems}
        for details in error.errors():
            # What holds between settings is said above, with the place; the model says the first of it, without.
            if (details["type"] == "value_error" and known) or details["loc"][-1:] == ("[key]",):
                continue
            # Entries that are wrong are not counted by the model.
            if details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]:
                continue
            found = _worded(details, marked)
            if (found.line, found.column) not in taken or details["type"] == "missing":
                problems.append(found)
                taken.add((found.line, found.column))
    return (None if errors(problems) or task is None else _beside(task, path)), marked, in_order(problems)


def _beside(task: Task, path: Path) -> Task:
    """Find gold data that are named by a relative path beside the task file."""
    if task.gold is None or task.gold.path is None:
        return task
    place = path.parent.resolve() / Path(task.gold.path).expanduser()
    return task.model_copy(update={"gold": task.gold.model_copy(update={"path": str(place)})})


def _unquoted(marked: Marked) -> Iterator[Problem]:
    for path, node in marked.keys_and_entries():
        word = read_as(node)
        if word and tuple(path[:-1]) in {("labels",), ("attributes", "values"), *NAMED}:
            shown = node.value or "an empty entry"
            yield problem_at(node, f"YAML reads {shown} as {word}; put it in quotes: '{node.value}'")


def _labels(marked: Marked) -> Iterator[Problem]:
    labels = marked.data.get("labels")
    if not isinstance(labels, list):
        return
    named = [label for label in labels if isinstance(label, str)]
    for place, label in enumerate(labels):
        if isinstance(label, str) and not label.strip():
            yield marked.at(("labels", place), "a label is blank; name it")
        elif isinstance(label, str) and label in labels[:place]:
            yield marked.at(("labels", place), f"the label {label} stands twice; keep one of the two")
        elif isinstance(label, str) and label.casefold() in [str(other).casefold() for other in labels[:place]]:
            said = f"the label {label} differs from another by capital letters only"
            yield marked.at(("labels", place), said, warning=True)
    if len(set(named)) == len(labels) and (fault := fault_of(named)):
        yield marked.at(("labels", fault[0]), fault[1])
    for path, group in _groups(marked.data):
        for name in group:
            if isinstance(name, str) and name not in named and named:
                said = f"{'.'.join(path)} names the label {name}, which the task does not have{nearest(name, named)}"
                yield marked.at((*path, name), said.removesuffix("."), key=True)


def _groups(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    curate = data.get("curate")
    for path, group in (
        (("describe",), data.get("describe")),
        (("curate", "has"), curate.get("has") if isinstance(curate, dict) else None),
    ):
        if isinstance(group, dict):
            yield path, group


def _worded(error: ErrorDetails, marked: Marked) -> Problem:
    path = _existing(error["loc"], marked)
    name, kind, details = _name(path), error["type"], error.get("ctx", {})
    if kind == "missing":
        lacking = str(error["loc"][-1])
        return marked.at(path, f"{lacking} is missing" + (f" in {name}" if path else "; every task needs it"))
    if kind == "extra_forbidden":
        known = list(_fields(path[:-1]))
        said = f"there is no setting {path[-1]}{_within(path)}{nearest(str(path[-1]), known)}".removesuffix(".")
        return marked.at(path, said, key=True)
    node = marked.node(path)
    word = read_as(node) if node is not None else None
    if kind == "string_type" and word and isinstance(node, ScalarNode):
        return marked.at(
            path, f"YAML reads {node.value} as {word}; put it in quotes" if node.value else f"{name} is empty"
        )
    wanted = {
        "string_type": "must be text; put it in quotes",
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "greater_than_equal": f"must be at least {details.get('ge')}",
        "less_than_equal": f"must be at most {details.get('le')}",
        "too_short": f"needs at least {details.get('min_length')} entries",
        "string_too_short": "is empty",
        "literal_error": f"must be {details.get('expected')}",
        "tuple_type": "must be a list",
        "dict_type": "must be a group of settings, each with a colon",
        "model_type": "must be a group of settings, each with a colon",
    }.get(kind)
    if wanted:
        return marked.at(path, f"{name} {wanted}")
    said = error["msg"].removeprefix("Value error, ")
    return marked.at(path, f"{name}: {said}" if path else said)


def _existing(loc: Sequence[str | int], marked: Marked) -> tuple[str | int, ...]:
    """Return the part of a place that stands in the file: the rest names a type, or what is missing."""
    path: tuple[str | int, ...] = ()
    for step in loc:
        if marked.node((*path, step)) is None:
            break
        path = (*path, step)
    return path


def _name(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _within(path: Sequence[str | int]) -> str:
    return f" in {_name(path[:-1])}" if len(path) > 1 else ""


def _fields(path: Sequence[str | int]) -> Iterator[str]:
    """Yield the settings that the group at ``path`` may have."""
    kind: Any = Task
    for step in path:
        if isinstance(step, str):
            kind = next(iter(_models(kind.model_fields[step].annotation)), None)
    yield from kind.model_fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, tuple}:
        for part in get_args(annotation):
            yield from _models(part)
