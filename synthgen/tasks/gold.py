"""Gold data, real labelled texts for evaluation only: a file, the task's Hub dataset, or a bundled set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthgen.errors import UserError
from synthgen.tasks.gold_hub import NotLoadedError, load_columns
from synthgen.tasks.labelled import check_labels, label_names, label_of, rows_of, text_of
from synthgen.tasks.task import GoldSource, Task

_BUNDLED = Path(__file__).parent / "gold"


@dataclass(frozen=True, slots=True)
class Gold:
    """Labelled texts, all tuples of one length, and where they came from.

    ``labels`` are label names. ``source`` is ``file:<name>``, ``hub:<id>/<split>`` or ``bundled:<task>``.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    text_pairs: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)


class Sealed:
    """Gold data that was read, and found to be right, but is not looked at before it is opened, after the last choice.

    What decides anything in a run is never given it.
    """

    def __init__(self, gold: Gold) -> None:
        self._gold = gold

    @property
    def source(self) -> str:
        """Where it came from."""
        return self._gold.source

    def __len__(self) -> int:
        return len(self._gold)

    def open(self) -> Gold:
        """Return the texts and labels."""
        return self._gold


def load_gold(task: Task, gold: str | None, *, pocket: bool) -> Gold | None:
    """Return the gold data a user asked for: ``"none"`` for no data, a file, or None for the task's own.

    The task's own is its Hub dataset; where that cannot be loaded and ``pocket`` is true, the bundled set of the task.
    Raises ``UserError`` for a wrong file, a Hub dataset that does not fit the task, and where nothing can be had.
    """
    if gold == "none":
        return None
    if gold is not None:
        return read_labelled(Path(gold), task.labels)
    if task.gold is None:
        missing = f"Task {task.name} names no gold dataset"
    else:
        try:
            return _from_hub(task.gold, task.labels)
        except NotLoadedError as error:
            missing = f"Gold dataset {task.gold.hub} of task {task.name} {error}"
    bundled = _bundled(task) if pocket else None
    if bundled is None:
        raise UserError(f"{missing}; pass --gold FILE, or --gold none to go without.")
    return bundled


def read_labelled(path: Path, labels: Sequence[str] | None, *, what: str = "gold", secret: bool = False) -> Gold:
    """Read JSONL, plain or ``.gz``, with ``text``, ``label`` and perhaps ``text_pair`` in every object.

    Of a ``secret`` file not even a wrong label is quoted, and all texts may have one label: it may be one part of many.

    A label is a name in ``labels`` or its position there, as an integer or, where no label is so named, as digits.
    Without ``labels`` every name is taken as it is. ``what`` names the file's part in messages. Raises ``UserError``
    with the file and the line where anything is wrong; a message never quotes a text.
    """
    place = f"{what} file {path.name}"
    name_of = label_names(labels)
    texts: list[str] = []
    names: list[str] = []
    pairs: list[str | None] = []
    for number, row in rows_of(path, what):
        where = f"Line {number} of {place}"
        texts.append(text_of(row, "text", where))
        names.append(label_of(row.get("label"), name_of, labels, where, secret=secret))
        pairs.append(None if row.get("text_pair") is None else text_of(row, "text_pair", where))
        if (pairs[0] is None) != (pairs[-1] is None):
            raise UserError(f"{where} and the first differ in having a text_pair; give one on every line or on none.")
    if not secret:
        check_labels(names, place)
    text_pairs = tuple(pair for pair in pairs if pair is not None) or None
    return Gold(tuple(texts), tuple(names), f"file:{path.name}", text_pairs)


def _from_hub(source: GoldSource, labels: Sequence[str]) -> Gold:
    columns = load_columns(source)
    place = f"gold dataset {source.hub}"
    name_of = label_names(labels)
    values = columns.labels if columns.class_names is None else _renamed(columns.labels, columns.class_names, labels)
    names = tuple(label_of(value, name_of, labels, f"Row {row} of {place}") for row, value in enumerate(values, 1))
    for row, text in enumerate(columns.texts, start=1):
        text_of({source.text: text}, source.text, f"Row {row} of {place}")
    if not names:
        raise UserError(f"The {place} has no rows in split {source.split}; name another split.")
    check_labels(names, place)
    return Gold(tuple(columns.texts), names, f"hub:{source.hub}/{source.split}")


def _renamed(ids: Iterable[object], class_names: Sequence[str], labels: Sequence[str]) -> Iterator[object]:
    # Names decide. Where the dataset words them otherwise (neg for negative), its ids do, unless a shared name objects.
    if set(class_names) <= set(labels):
        return (class_names[i] if isinstance(i, int) and 0 <= i < len(class_names) else i for i in ids)
    if any(name in labels and labels.index(name) != i for i, name in enumerate(class_names)):
        raise UserError(
            f"The gold dataset orders its labels {', '.join(class_names[:20])} otherwise than the task does; "
            "name the task's labels as the dataset does."
        )
    return iter(ids)


def _bundled(task: Task) -> Gold | None:
    path = _BUNDLED / f"{task.name}.jsonl"
    if path.parent != _BUNDLED or not path.is_file():
        return None
    gold = read_labelled(path, None)
    if set(gold.labels) != set(task.labels):
        return None
    return Gold(gold.texts, gold.labels, f"bundled:{task.name}")
