"""Rows of labelled files as people have them: JSONL, CSV, TSV, Parquet. They are read row by row, never held whole."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.errors import UserError
from synthgen.tasks.labelled import file_lines, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows, each after the words that say where it is.

    ``columns`` are None where every row has its own names (JSONL). ``class_names`` are those of the columns that hold
    the ids of a ClassLabel.
    """

    rows: Iterator[tuple[str, dict[str, Any]]]
    columns: tuple[str, ...] | None = None
    class_names: Mapping[str, list[str]] = field(default_factory=dict)


def open_rows(path: Path, what: str) -> FileRows:
    """Open a file by its name's end: ``.csv``, ``.tsv`` (each perhaps ``.gz``), ``.parquet``, and JSONL for any other.

    Cells of CSV and TSV are text, whatever they look like. ``what`` names the file's part in messages. Raises
    ``UserError``, here or while rows are drawn, for what cannot be read; it quotes no cell.
    """
    place = f"{what} file {path.name}"
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind in {"csv", "tsv"}:
        return _delimited(path, what, place, "," if kind == "csv" else "\t")
    if kind == "parquet":
        return _parquet(path, what, place)
    return FileRows((f"Line {number} of {place}", row) for number, row in rows_of(path, what))


def class_names_of(schema: "pa.Schema") -> dict[str, list[str]]:
    """Return the names of the ClassLabel columns that ``datasets`` has noted in a Parquet file's schema, by column.

    Raises ``ValueError`` where what is noted there is no JSON.
    """
    found: object
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except RecursionError:
        raise ValueError("its notes are nested too deep") from None
    for step in ("info", "features"):
        found = found.get(step) if isinstance(found, dict) else None
    named: dict[str, list[str]] = {}
    for column, feature in found.items() if isinstance(found, dict) else ():
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            named[column] = names
    return named


def _delimited(path: Path, what: str, place: str, delimiter: str) -> FileRows:
    records = _records(path, what, place, delimiter)
    _, header = next(records, ("", []))
    if not header:
        raise UserError(f"The {place} is empty; it needs a first line that names its columns.")
    if len(set(header)) < len(header):
        raise UserError(f"The {place} has two columns of one name; its first line names each column once.")

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for where, cells in records:
            if len(cells) != len(header):
                raise UserError(f"{where} has {len(cells)} cells and not {len(header)}; put quotes around the texts.")
            yield where, dict(zip(header, cells, strict=True))

    return FileRows(rows(), tuple(header))


def _records(path: Path, what: str, place: str, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    def decoded() -> Iterator[str]:
        for number, line in enumerate(file_lines(path, what), start=1):
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                raise UserError(f"Line {number} of {place} is not UTF-8; save the file as UTF-8.") from None

    reader = csv.reader(decoded(), delimiter=delimiter, strict=True)
    while True:
        where = f"Line {reader.line_num + 1} of {place}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{where} begins a record that is not valid {path.suffix[1:]}: {error}.") from None
        if cells is None:
            return
        if cells:
            yield where, cells


def _parquet(path: Path, what: str, place: str) -> FileRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def unreadable(error: Exception) -> UserError:
        return UserError(f"The {place} is not readable Parquet ({type(error).__name__}); write it again.")

    try:
        # Buffered ahead, a file would be in memory whole by its end.
        file = pq.ParquetFile(path, pre_buffer=False)
        schema = file.schema_arrow
        named = class_names_of(schema)
    except FileNotFoundError:
        raise UserError(f"There is no {what} file {path}.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(error) from None

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"Row {number} of {place}", row
        except (pa.ArrowException, OSError) as error:
            raise unreadable(error) from None
        finally:
            file.close()

    return FileRows(rows(), tuple(schema.names), named)
