"""A run's dataset in the formats that fine-tuning tools and spreadsheets read, from the run folder alone."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from synthgen.errors import UserError
from synthgen.runs.files import check
from synthgen.runs.read import DATASET, Run

Format = Literal["jsonl", "csv", "alpaca", "sharegpt"]
Rows = Iterator[list[dict[str, Any]]]

SUFFIXES: Mapping[Format, str] = {"jsonl": ".jsonl", "csv": ".csv", "alpaca": ".json", "sharegpt": ".jsonl"}
_BATCH = 1_000
_FIRST = ("text", "text_pair", "label", "attribute")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOM = "\ufeff"


@dataclass(slots=True)
class Exported:
    """What an export wrote: rows, rows under the least weight, texts that a spreadsheet would take for formulas."""

    rows: int = 0
    left_out: int = 0
    formulas: int = 0


def default_path(run: Run, format: Format) -> Path:
    """Return where an export goes that names no file: outside ``dataset/``, whose content is published."""
    name = "train" if format in {"jsonl", "csv"} else format
    return run.path / "exports" / f"{name}{SUFFIXES[format]}"


def export_run(
    run: Run,
    format: Format,
    out: Path | BinaryIO,
    *,
    min_weight: float = 0.0,
    instruction: str | None = None,
    spreadsheet: bool = False,
) -> Exported:
    """Write the dataset of a finished run to the file ``out``, atomically, or into a binary stream.

    ``jsonl`` and ``csv`` (RFC 4180, UTF-8) hold all columns, labels as names. ``alpaca`` is one JSON array of
    instruction, input, output; ``sharegpt`` is JSON lines of conversations between human and gpt. Both ask for the
    label with ``instruction``, which is made from the task where none is given, and have no place for weights and
    attributes: leave samples out by ``min_weight``. ``spreadsheet`` is for CSV that people open: texts that would be
    run as formulas get an apostrophe before them, and the file a byte order mark. Memory does not grow with the
    dataset.

    Raises ``UserError`` where the run is not finished, a sample of that weight does not exist, or ``out`` is wrong.
    """
    if format not in get_args(Format):
        raise UserError(f"There is no format {format!r}; choose {', '.join(get_args(Format))}.")
    if spreadsheet and format != "csv":
        raise UserError("Only CSV is for spreadsheets; give --format csv with --spreadsheet.")
    if instruction is not None and format in {"jsonl", "csv"}:
        raise UserError(f"--format {format} has no instruction; it is for alpaca and sharegpt.")
    parquet = _dataset_of(run)
    done = Exported()
    _check_weight(parquet, min_weight, done)
    rows = _rows(parquet, min_weight, done)
    if format == "csv":
        chunks = _csv(rows, spreadsheet, done)
    elif format == "jsonl":
        chunks = _lines(rows, lambda row: row)
    else:
        asked = _instruction(run, parquet) if instruction is None else instruction
        chunks = _alpaca(rows, asked) if format == "alpaca" else _lines(rows, lambda row: _conversation(row, asked))
    if isinstance(out, Path):
        with _replacing(out, SUFFIXES[format]) as file:
            _write(chunks, file)
    else:
        _write(chunks, out)
    return done


def _dataset_of(run: Run) -> Path:
    status = run.manifest.get("status", "unknown")
    if status != "complete":
        raise UserError(f"{run.path} is not finished (its status: {status}); go on with --resume, then export it.")
    parquet = run.path / DATASET
    if not parquet.is_file():
        raise UserError(f"{run.path} has no {DATASET}; resume the run to write it anew.")
    check(run.path, [DATASET])
    return parquet


def _check_weight(parquet: Path, least: float, done: Exported) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        weights = pq.read_table(parquet, columns=["weight"])["weight"].to_numpy()
    except (pa.ArrowException, OSError):
        raise UserError(f"{parquet} is damaged; resume the run to write it anew.") from None
    done.left_out = int((weights < least).sum())
    if done.left_out == len(weights):
        most = f"; the greatest weight is {weights.max():.4g}" if len(weights) else ""
        raise UserError(f"No sample has a weight of {least:g} or more{most}.")


def _label_names(parquet: Path) -> list[str]:
    import pyarrow.parquet as pq
    from datasets import Features

    return list(Features.from_arrow_schema(pq.read_schema(parquet))["label"].names)


def _rows(parquet: Path, least: float, done: Exported) -> Rows:
    """Yield batches of rows: text first, label names for ids."""
    import pyarrow.parquet as pq

    names = _label_names(parquet)
    with pq.ParquetFile(parquet) as file:
        own = file.schema_arrow.names
        order = [name for name in _FIRST if name in own] + [name for name in own if name not in _FIRST]
        for batch in file.iter_batches(batch_size=_BATCH, columns=order):
            rows = [
                {name: names[row["label"]] if name == "label" else row[name] for name in order}
                for row in batch.to_pylist()
                if row["weight"] >= least
            ]
            done.rows += len(rows)
            yield rows


def _lines(rows: Rows, made: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[str]:
    for batch in rows:
        yield "".join(json.dumps(made(row), ensure_ascii=False) + "\n" for row in batch)


def _alpaca(rows: Rows, instruction: str) -> Iterator[str]:
    opening = "[\n"
    for batch in rows:
        if batch:
            yield opening + ",\n".join(json.dumps(_example(row, instruction), ensure_ascii=False) for row in batch)
            opening = ",\n"
    yield "\n]\n"


def _example(row: Mapping[str, Any], instruction: str) -> dict[str, Any]:
    return {"instruction": instruction, "input": _shown(row), "output": row["label"]}


def _conversation(row: Mapping[str, Any], instruction: str) -> dict[str, Any]:
    asked = {"from": "human", "value": f"{instruction}\n\n{_shown(row)}"}
    return {"conversations": [asked, {"from": "gpt", "value": row["label"]}]}


def _shown(row: Mapping[str, Any]) -> str:
    pair = row.get("text_pair")
    return str(row["text"]) if pair is None else f"Text 1: {row['text']}\n\nText 2: {pair}"


def _csv(rows: Rows, spreadsheet: bool, done: Exported) -> Iterator[str]:
    head: list[str] | None = None
    for batch in rows:
        out = io.StringIO(newline="")
        if batch and head is None:
            head = list(batch[0])
            out.write(_BOM if spreadsheet else "")
            csv.writer(out).writerow(head)
        writer = csv.writer(out)
        for row in batch:
            done.formulas += any(_is_formula(value) for value in row.values())
            writer.writerow([f"'{value}" if spreadsheet and _is_formula(value) else value for value in row.values()])
        yield out.getvalue()


def _is_formula(value: object) -> bool:
    return isinstance(value, str) and value.startswith(_FORMULA)


def _instruction(run: Run, parquet: Path) -> str:
    try:
        about = run.task.about
    except UserError as error:
        raise UserError(f"{error} Say with --instruction what each example asks.") from None
    texts = "pair of texts" if _has_pairs(parquet) else "text"
    labels = ", ".join(_label_names(parquet))
    return f"Classify the following {texts} ({about}). Answer with exactly one of these labels: {labels}."


def _has_pairs(parquet: Path) -> bool:
    import pyarrow.parquet as pq

    return "text_pair" in pq.read_schema(parquet).names


def _write(chunks: Iterable[str], file: BinaryIO) -> None:
    for chunk in chunks:
        file.write(chunk.encode())
    file.flush()


@contextmanager
def _replacing(path: Path, suffix: str) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` that takes its place when all is written, and is gone when not."""
    if path.suffix.lower() != suffix:
        raise UserError(f"--out {path} does not end in {suffix}, as files of this format do.")
    if path.is_dir():
        raise UserError(f"--out {path} is a folder; name a file in it.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = partial.open("wb")
    except OSError as error:
        raise UserError(f"--out {path} cannot be written: {error.strerror}.") from None
    try:
        with opened as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
