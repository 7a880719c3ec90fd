"""Labelled JSONL, plain or gzipped: rows, texts and labels, each mistake with its file and line and no text quoted."""

import codecs
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import jsonlines

from synthgen.errors import UserError
from synthgen.tasks.names import encodes
from synthgen.text import nearest

LONGEST = 10_000_000
"""Bytes of a line; a long article has a thousandth of it."""
UNPACKED = 100_000_000
"""Bytes that a gzip file may unpack to whatever its size is, and beyond which it may not be of mere repetitions."""
RATIO = 200


def rows_of(path: Path, what: str, *, seen: Callable[[bytes], object] = len) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with their line numbers; ``seen`` is told its bytes, decompressed, piece by piece.

    ``what`` names the file's part in messages. Raises ``UserError`` where the file is not readable JSONL or is empty.
    """
    place, number, empty = f"{what} file {path.name}", 0, True
    for piece in file_lines(path, what):
        seen(piece)
        for line in piece.splitlines():
            number += 1
            if line.strip():
                empty = False
                yield number, _object(line, f"Line {number} of {place}")
    if empty:
        raise UserError(f"The {place} is empty; it needs one JSON object with text and label a line.")


def file_lines(path: Path, what: str) -> Iterator[bytes]:
    """Yield the lines of a file with their ends, decompressed, without a byte-order mark; it is never held whole.

    ``what`` names its part in messages. Raises ``UserError`` where it cannot be read, where a line is longer than
    ``LONGEST``, and where it is a gzip file that unpacks to far more than texts do.
    """
    name = f"{what.capitalize()} file {path}"
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(_lines(path, cast(BinaryIO, file), what)):
                yield line if number else line.removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise UserError(f"There is no {what} file {path}.") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; give a file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{name} is not a complete gzip file; compress it again.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read: {getattr(error, 'strerror', error)}.") from None


def _lines(path: Path, file: BinaryIO, what: str) -> Iterator[bytes]:
    most = max(UNPACKED, RATIO * path.stat().st_size) if path.suffix == ".gz" else math.inf
    read = number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        read += len(line)
        if len(line) > LONGEST:
            raise UserError(f"Line {number} of {what} file {path.name} is longer than {LONGEST:,} bytes; split it up.")
        if read > most:
            raise UserError(
                f"{what.capitalize()} file {path.name} unpacks to more than {RATIO} times its size; unpack it."
            )
        yield line


def _object(line: bytes, where: str) -> dict[str, Any]:
    wanted = "each line is one object with text" + ("" if "first-sentence" in where else " and label")
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


def text_of(row: Mapping[str, Any], field: str, where: str) -> str:
    """Return the text in ``field``. Raises ``UserError``, which begins with ``where``, for anything but a real text."""
    value = row.get(field)
    if value is None:
        raise UserError(f"{where} has no {field}; give every object one.")
    if not isinstance(value, str):
        raise UserError(f"{where} has a {field} that is not a string; put it in quotes.")
    if not value.strip():
        raise UserError(f"{where} has a blank {field}; fill it or delete the line.")
    if not encodes(value):
        raise UserError(f"{where} has a {field} with half a surrogate pair; save it as valid Unicode.")
    return value


def label_names(labels: Sequence[str] | None) -> Callable[[object], str | None]:
    """Return what turns a label as it stands in a file or dataset into its name, None where it names no label.

    A name comes before an id: where labels are called 1 and 0, a number is one of them, in whatever kind of file.
    """
    known = {} if labels is None else {**{str(i): name for i, name in enumerate(labels)}, **{n: n for n in labels}}

    def name_of(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        if labels is None:
            return str(value) if str(value).strip() and encodes(str(value)) else None
        if isinstance(value, int) and str(value) not in labels:
            return labels[value] if 0 <= value < len(labels) else None
        return known.get(str(value))

    return name_of


def label_of(
    value: object,
    name_of: Callable[[object], str | None],
    labels: Sequence[str] | None,
    where: str,
    *,
    secret: bool = False,
) -> str:
    """Return a label's name by ``label_names``. Raises ``UserError``; where ``secret`` it does not quote the label."""
    if value is None or value == "":
        raise UserError(f"{where} has no label; give every text one.")
    name = name_of(value)
    if name is not None:
        return name
    if secret and labels is not None:
        raise UserError(f"{where} has a label that the task does not have; its labels are {', '.join(labels[:20])}.")
    if isinstance(value, str) and labels is not None:
        short = json.dumps(value if len(value) <= 40 else f"{value[:39]}…", ensure_ascii=not encodes(value))
        raise UserError(f"{where} has the label {short}, which the task does not have{nearest(value, labels)}")
    if isinstance(value, int) and not isinstance(value, bool) and labels is not None:
        raise UserError(f"{where} has the label id {str(value)[:40]}; the task's ids are 0 to {len(labels) - 1}.")
    raise UserError(f"{where} has a label that is neither a name nor an id; write the label's name.")


def check_labels(names: Sequence[str], place: str) -> None:
    """Raise ``UserError`` where ``names`` are all the same: nothing can be learned from one label."""
    if len(set(names)) < 2:
        raise UserError(f"The {place} has texts of one label only ({names[0][:40]}); it needs at least two.")
