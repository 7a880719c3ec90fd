"""How labels of gold data become a task's: by name, else by id; some by what a text contains, some not at all."""

from collections.abc import Callable, Mapping, Sequence

from synthgen.errors import UserError
from synthgen.tasks.labelled import label_names
from synthgen.tasks.task import Task

NameOf = Callable[[object], str | None]


def known_labels(task: Task) -> tuple[str, ...]:
    """Return the labels that gold data of a task may have: those of the task it names, in their order, and its own."""
    return tuple(dict.fromkeys((*_labels_there(task), *task.labels)))


def names_in_source(task: Task, class_names: Sequence[str] | None, place: str) -> NameOf:
    """Return what turns a label of the task's gold source into its name; of these ``names`` is asked first.

    ``class_names`` are those of a ClassLabel column. Where they are not the labels', and the task maps none, ids decide
    unless a shared name objects. Where ``names`` maps numbers, no number is an id. Raises ``UserError``, also for a map
    to labels that are not the task's.
    """
    names = task.gold.names if task.gold else {}
    if wrong := sorted(set(names.values()) - set(known_labels(task))):
        raise UserError(f"The gold of task {task.name} maps to labels that it does not have: {', '.join(wrong[:5])}.")
    if class_names is not None:
        return _by_class(task, names, class_names, place)
    by_id = label_names(known_labels(task))
    numbered = any(map(_number, names))

    def name_of(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        if numbered and _number(str(value)):
            return names.get(str(value))
        return names.get(value, by_id(value)) if isinstance(value, str) else by_id(value)

    return name_of


def names_in_file(task: Task, class_names: Sequence[str] | None, place: str) -> NameOf:
    """Return what turns a label of a user's file into its name: names and ids are the task's, else its ``names`` help.

    Raises ``UserError`` where ``class_names``, those of a ClassLabel column, contradict the task's.
    """
    given = task.gold.names if task.gold else {}
    if class_names is not None:
        return _by_class(task, {**given, **{name: name for name in known_labels(task)}}, class_names, place)
    by_id = label_names(known_labels(task))
    return lambda value: by_id(value) or (given.get(value) if isinstance(value, str) else None)


def settled(task: Task) -> Callable[[str, str], str | None]:
    """Return what gives a label and a text their label in the task: None for a text that is to be left out.

    Raises ``UserError`` for a rule whose label the task does not have.
    """
    rules = task.gold.relabel if task.gold else ()
    for rule in rules:
        task.label_id(rule.label)

    def settle(label: str, text: str) -> str | None:
        label = next((rule.label for rule in rules if rule.contains in text), label)
        return label if label in task.labels else None

    return settle


def _labels_there(task: Task) -> tuple[str, ...]:
    from synthgen.tasks.registry import load_task

    return load_task(task.gold.labels_of).labels if task.gold and task.gold.labels_of else task.labels


def _by_class(task: Task, names: Mapping[str, str], class_names: Sequence[str], place: str) -> NameOf:
    known = known_labels(task)
    called = [names.get(name, name) for name in class_names]
    if set(called) <= set(known):
        return label_names(called)
    if task.gold and task.gold.names:
        unmapped = [name for name, label in zip(class_names, called, strict=True) if label not in known]
        raise UserError(f"The {place} has labels that the task's gold does not map: {', '.join(unmapped[:20])}.")
    if any(name in known and known.index(name) != i for i, name in enumerate(called)):
        raise UserError(
            f"The {place} orders its labels {', '.join(class_names[:20])} otherwise than the task does; "
            "name the task's labels as the dataset does, or map its names to them."
        )
    return label_names(known)


def _number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
