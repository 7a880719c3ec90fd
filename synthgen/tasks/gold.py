"""Gold data, real labelled texts for evaluation only: a file, the task's own dataset or file, or a bundled set."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.seeds import short_id
from synthgen.tasks.gold_columns import Columns, columns_among, columns_of
from synthgen.tasks.gold_files import FileRows, open_rows
from synthgen.tasks.gold_hub import NotLoadedError, load_rows
from synthgen.tasks.gold_labels import NameOf, known_labels, names_in_file, names_in_source, settled
from synthgen.tasks.labelled import check_labels, label_names, label_of, text_of
from synthgen.tasks.reservoir import sampled
from synthgen.tasks.schema import GoldSource
from synthgen.tasks.task import Task
from synthgen.text import whole

_BUNDLED = Path(__file__).parent / "gold"
_FIRST = 20_000
Row = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Gold:
    """Labelled texts, all tuples of one length, and where they came from.

    ``labels`` are label names. ``source`` is ``file:<name>``, ``hub:<id>/<split>`` (with a configuration before the
    split) or ``bundled:<task>``, and says so where it is a sample.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    text_pairs: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def whole(self) -> list[str]:
        """The texts, or the pairs where there are two."""
        return [*map(whole, self.texts, self.text_pairs or [None] * len(self.texts))]


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

    @property
    def digest(self) -> str:
        """A hash of texts and labels, by which gold that has changed is known."""
        return short_id(*self._gold.whole, *self._gold.labels)

    def texts(self) -> list[str]:
        """Return the texts without the labels: for what may not be in a dataset, and for nothing else."""
        return self._gold.whole

    def open(self) -> Gold:
        """Return the texts and labels."""
        return self._gold


def load_gold(task: Task, gold: str | None, *, pocket: bool) -> Gold | None:
    """Return the gold data a user asked for: ``"none"`` for no data, a file, or None for the task's own.

    The task's own is its Hub dataset, folder or file; where that is a dataset that cannot be loaded and ``pocket`` is
    true, the bundled set of the task. Raises ``UserError`` for what is wrong in it, or does not fit the task, and where
    nothing can be had.
    """
    if gold == "none":
        return None
    if gold is not None:
        return _of_file(Path(gold), task)
    if task.gold is None:
        missing = f"Task {task.name} names no gold dataset"
    else:
        try:
            return gold_of(task)
        except NotLoadedError as error:
            missing = f"Gold dataset {task.gold.hub} of task {task.name} {error}"
    bundled = _bundled(task) if pocket else None
    if bundled is None:
        raise UserError(f"{missing}; pass --gold FILE, or --gold none to go without.")
    return bundled


def gold_of(task: Task) -> Gold:
    """Return a task's own gold data, which it must have.

    Raises ``NotLoadedError`` where a Hub dataset cannot be had, ``UserError`` where the data do not fit the task.
    """
    if task.gold is None:
        raise ValueError(f"task {task.name} has no gold data")
    if task.gold.path is not None and not Path(task.gold.path).is_dir():
        return _of_own_file(Path(task.gold.path), task, task.gold)
    return _of_dataset(task, task.gold)


def train_texts(task: Task) -> list[str]:
    """Return the sentences that are given in a task of pairs, from the train split of its gold; no label is read.

    They are 20,000 of the split at most, or gold's ``limit``, as they stand there; blank ones are left out. Raises
    ``UserError`` where they cannot be had.
    """
    if task.first is None:
        raise ValueError(f"task {task.name} has no pairs")
    wanted = f"The first sentences of task {task.name}"
    source, other = task.gold, "pass --first-sentences FILE"
    if source is None or (source.path is not None and not Path(source.path).is_dir()):
        raise UserError(f"{wanted} cannot be taken from its gold, which has no train split; {other}.")
    columns = columns_of(source)
    names = columns.text if task.first.field == "text" else (columns.text_pair or "",)
    try:
        loaded = load_rows(source, source.train, names, limit=source.limit or _FIRST)
    except NotLoadedError as error:
        raise UserError(f"{wanted} are not there: gold dataset {source.hub} {error}; {other}.") from error
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; {other}.") from error
    parts = ([row[name] for name in names if isinstance(row[name], str)] for row in loaded.rows)
    texts = [text for text in map(" ".join, parts) if text.strip()]
    if not texts:
        raise UserError(f"{wanted} are not there: split {source.train} of its gold has none; {other}.")
    return texts


def read_labelled(path: Path, labels: Sequence[str] | None, *, what: str = "gold", secret: bool = False) -> Gold:
    """Read a file of ``open_rows`` with ``text``, ``label`` and perhaps ``text_pair`` in every row.

    Of a ``secret`` file not even a wrong label or a column's name is quoted, and all texts may have one label: it may
    be one part of many.

    A label is a name in ``labels`` or its position there, as an integer or, where no label is so named, as digits.
    Without ``labels`` every name is taken as it is. ``what`` names the file's part in messages. Raises ``UserError``
    with the file and the line where anything is wrong; a message never quotes a text.
    """
    place = f"{what} file {path.name}"
    file = open_rows(path, what)
    columns, rows = _columns_of_file(file, None, place, secret=secret)
    name_of = label_names(labels)
    if (classes := file.class_names.get(columns.label)) and labels is None:
        name_of = label_names(classes)
    found = _collected(rows, columns, _namer(name_of, labels, secret=secret), f"file:{path.name}")
    if not secret:
        check_labels(found.labels, place)
    return found


def _of_file(path: Path, task: Task) -> Gold:
    place = f"gold file {path.name}"
    file = open_rows(path, "gold")
    columns, rows = _columns_of_file(file, task.gold, place)
    name_of = names_in_file(task, file.class_names.get(columns.label), place)
    return _fitting(_collected(rows, columns, _namer(name_of, known_labels(task)), f"file:{path.name}"), task, place)


def _of_own_file(path: Path, task: Task, source: GoldSource) -> Gold:
    place, columns = f"gold file {path.name}", columns_of(source)
    file = open_rows(path, "gold")
    if file.columns is not None:
        columns.check(file.columns, place)
    name_of = names_in_source(task, file.class_names.get(columns.label), place)
    rows, more = sampled(file.rows, source.limit)
    origin = _sample_of(f"file:{path.name}", len(rows) if more else None)
    return _fitting(_collected(rows, columns, _namer(name_of, known_labels(task)), origin), task, place)


def _of_dataset(task: Task, source: GoldSource) -> Gold:
    columns = columns_of(source)
    wanted = [*columns.text, columns.label, *([columns.text_pair] if columns.text_pair else [])]
    loaded = load_rows(source, source.split, wanted, limit=source.limit)
    place = f"gold dataset {source.hub or source.path}"
    if hidden := sum(row[columns.label] in (-1, "-1") for row in loaded.rows):
        raise UserError(
            f"Of the {len(loaded.rows):,} rows in split {source.split} of {place} {hidden:,} have no label (-1); "
            "name a split that is labelled."
        )
    name_of = names_in_source(task, loaded.class_names.get(columns.label), place)
    if not loaded.rows:
        raise UserError(f"The {place} has no rows in split {source.split}; name another split.")
    origin = f"hub:{source.hub}" if source.path is None else f"file:{Path(source.path).name}"
    within = "/".join(part for part in (origin, source.config, source.split) if part)
    origin = _sample_of(within, len(loaded.rows) if loaded.sampled else None)
    rows = ((f"Row {number} of {place}", row) for number, row in enumerate(loaded.rows, start=1))
    return _fitting(_collected(rows, columns, _namer(name_of, known_labels(task)), origin), task, place)


def _sample_of(origin: str, size: int | None) -> str:
    return origin if size is None else f"{origin} ({size:,} of it)"


def _columns_of_file(
    file: FileRows, source: GoldSource | None, place: str, *, secret: bool = False
) -> tuple[Columns, Iterator[Row]]:
    if file.columns is not None:
        columns = columns_among(file.columns, source)
        columns.check(file.columns, place, secret=secret)
        return columns, file.rows
    # Every row of JSONL names its own; the first decides.
    first = next(file.rows, ("", {}))
    return columns_among(first[1], source), chain([first], file.rows)


def _namer(name_of: NameOf, labels: Sequence[str] | None, *, secret: bool = False) -> Callable[[object, str], str]:
    return lambda value, where: label_of(value, name_of, labels, where, secret=secret)


def _collected(rows: Iterable[Row], columns: Columns, named: Callable[[object, str], str], origin: str) -> Gold:
    texts: list[str] = []
    names: list[str] = []
    pairs: list[str | None] = []
    pair = columns.text_pair
    for where, row in rows:
        texts.append(columns.text_in(row, where))
        names.append(named(row.get(columns.label), where))
        pairs.append(None if pair is None or row.get(pair) is None else text_of(row, pair, where))
        if (pairs[0] is None) != (pairs[-1] is None):
            raise UserError(f"{where} and the first differ in having a {pair}; give one on every line or on none.")
    text_pairs = tuple(text for text in pairs if text is not None) or None
    return Gold(tuple(texts), tuple(names), origin, text_pairs)


def _fitting(gold: Gold, task: Task, place: str) -> Gold:
    """Return what of ``gold`` is the task's, with the labels it has there."""
    if (gold.text_pairs is None) is (task.first is not None):
        has, are = ("no text_pair", "pairs") if task.first else ("a text_pair", "single texts")
        raise UserError(f"The {place} has {has}, and the samples of task {task.name} are {are}; take another.")
    settle = settled(task)
    labels = [settle(label, text) for label, text in zip(gold.labels, gold.whole, strict=True)]
    kept = [row for row, label in enumerate(labels) if label is not None]
    if not kept:
        raise UserError(f"The {place} has no text with a label of task {task.name}.")
    pairs = None if gold.text_pairs is None else tuple(gold.text_pairs[row] for row in kept)
    names = tuple(label for label in labels if label is not None)
    check_labels(names, place)
    return Gold(tuple(gold.texts[row] for row in kept), names, gold.source, pairs)


def _bundled(task: Task) -> Gold | None:
    path = _BUNDLED / f"{task.name}.jsonl"
    if path.parent != _BUNDLED or not path.is_file():
        return None
    gold = read_labelled(path, None)
    if set(gold.labels) != set(task.labels):
        return None
    return Gold(gold.texts, gold.labels, f"bundled:{task.name}")
