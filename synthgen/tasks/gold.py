"""Gold data, real labelled texts for evaluation only: a file, the task's Hub dataset, or a bundled set."""

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonlines

from synthgen.errors import UserError
from synthgen.tasks.gold_hub import NotLoadedError, load_columns
from synthgen.tasks.task import GoldSource, Task
from synthgen.text import nearest

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
    name_of = _label_names(labels)
    texts: list[str] = []
    names: list[str] = []
    pairs: list[str | None] = []
    for number, row in _rows(_bytes(path, what), place):
        where = f"Line {number} of {place}"
        texts.append(_text(row, "text", where))
        names.append(_label(row.get("label"), name_of, labels, where, secret=secret))
        pairs.append(None if row.get("text_pair") is None else _text(row, "text_pair", where))
        if (pairs[0] is None) != (pairs[-1] is None):
            raise UserError(f"{where} and the first differ in having a text_pair; give one on every line or on none.")
    if not secret:
        _check_labels(names, place)
    text_pairs = tuple(pair for pair in pairs if pair is not None) or None
    return Gold(tuple(texts), tuple(names), f"file:{path.name}", text_pairs)


def _bytes(path: Path, what: str) -> bytes:
    name = f"{what.capitalize()} file {path}"
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError:
        raise UserError(f"There is no {what} file {path}.") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; give a JSONL file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{name} is not a complete gzip file; compress it again.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read: {getattr(error, 'strerror', error)}.") from None
    return data.removeprefix(codecs.BOM_UTF8)


def _rows(data: bytes, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = [(number, line) for number, line in enumerate(data.splitlines(), start=1) if line.strip()]
    if not lines:
        raise UserError(f"The {place} is empty; it needs one JSON object with text and label a line.")
    for number, line in lines:
        yield number, _object(line, f"Line {number} of {place}")


def _object(line: bytes, where: str) -> dict[str, Any]:
    wanted = "each line is one object with text and label"
    try:
        row: dict[str, Any] = jsonlines.Reader([line]).read(type=dict)
    except RecursionError:
        raise UserError(f"{where} is not valid JSON; {wanted}.") from None
    except jsonlines.InvalidLineError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            raise UserError(f"{where} is not UTF-8; save the file as UTF-8.") from None
        fault = "is not valid JSON" if isinstance(error.__cause__, ValueError) else "is not a JSON object"
        raise UserError(f"{where} {fault}; {wanted}.") from None
    return row


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if value is None:
        raise UserError(f"{where} has no {field}; give every object one.")
    if not isinstance(value, str):
        raise UserError(f"{where} has a {field} that is not a string; put it in quotes.")
    if not value.strip():
        raise UserError(f"{where} has a blank {field}; fill it or delete the line.")
    if not _encodes(value):
        raise UserError(f"{where} has a {field} with half a surrogate pair; save it as valid Unicode.")
    return value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _label_names(labels: Sequence[str] | None) -> Callable[[object], str | None]:
    # A label as it stands in a file or dataset -> its name, or None where it names no label.
    known = {} if labels is None else {**{str(i): name for i, name in enumerate(labels)}, **{n: n for n in labels}}

    def name_of(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        if labels is None:
            return str(value) if str(value).strip() and _encodes(str(value)) else None
        if isinstance(value, int):
            return labels[value] if 0 <= value < len(labels) else None
        return known.get(value)

    return name_of


def _label(
    value: object,
    name_of: Callable[[object], str | None],
    labels: Sequence[str] | None,
    where: str,
    *,
    secret: bool = False,
) -> str:
    if value is None or value == "":
        raise UserError(f"{where} has no label; give every text one.")
    name = name_of(value)
    if name is not None:
        return name
    if secret and labels is not None:
        raise UserError(f"{where} has a label that the task does not have; its labels are {', '.join(labels[:20])}.")
    if isinstance(value, str) and labels is not None:
        short = json.dumps(value if len(value) <= 40 else f"{value[:39]}…", ensure_ascii=not _encodes(value))
        raise UserError(f"{where} has the label {short}, which the task does not have{nearest(value, labels)}")
    if isinstance(value, int) and not isinstance(value, bool) and labels is not None:
        raise UserError(f"{where} has the label id {str(value)[:40]}; the task's ids are 0 to {len(labels) - 1}.")
    raise UserError(f"{where} has a label that is neither a name nor an id; write the label's name.")


def _check_labels(names: Sequence[str], place: str) -> None:
    if len(set(names)) < 2:
        raise UserError(f"The {place} has texts of one label only ({names[0][:40]}); it needs at least two.")


def _from_hub(source: GoldSource, labels: Sequence[str]) -> Gold:
    columns = load_columns(source)
    place = f"gold dataset {source.hub}"
    name_of = _label_names(labels)
    values = columns.labels if columns.class_names is None else _renamed(columns.labels, columns.class_names, labels)
    names = tuple(_label(value, name_of, labels, f"Row {row} of {place}") for row, value in enumerate(values, start=1))
    for row, text in enumerate(columns.texts, start=1):
        _text({source.text: text}, source.text, f"Row {row} of {place}")
    if not names:
        raise UserError(f"The {place} has no rows in split {source.split}; name another split.")
    _check_labels(names, place)
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
