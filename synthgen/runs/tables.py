"""The Parquet tables of a run: the dataset and the dynamics. Equal content gives equal bytes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.blocks import in_blocks
from synthgen.records import Sample
from synthgen.runs.files import writing
from synthgen.tasks.task import Task

ROWS = 1 << 16
"""Rows that are in memory at once, and in one row group of a file."""

_SCORES = ("confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability")


def write_dataset(path: Path, samples: Sequence[Sample], task: Task) -> None:
    """Write ``train.parquet`` with the label as a ClassLabel, so that ``datasets.load_dataset`` reads it as it is."""
    from datasets import ClassLabel, Features, Value

    kinds = {
        "text": Value("string"),
        "text_pair": Value("string"),
        "label": ClassLabel(names=list(task.labels)),
        "weight": Value("float64"),
        "plm": Value("string"),
        "round": Value("int32"),
        "id": Value("string"),
        "attribute": Value("string"),
    }
    for name in _absent(samples, {"text_pair", "attribute"}):
        del kinds[name]
    schema = Features(kinds).arrow_schema

    def batches() -> Iterator[pa.Table]:
        for block in in_blocks(samples, ROWS):
            columns: dict[str, list[Any]] = {name: [getattr(sample, name) for sample in block] for name in kinds}
            columns["label"] = [task.label_id(label) for label in columns["label"]]
            yield pa.table(columns, schema=schema)

    _write(path, schema, batches())


def write_dynamics(path: Path, samples: Sequence[Sample], dynamics: dict[str, Any]) -> None:
    """Write a row a sample: who wrote it, and what the STMs made of it. Cross-model columns are null for one PLM."""
    names = [(name, pa.string()) for name in ("id", "plm", "label")] + [(name, pa.float64()) for name in _SCORES]
    schema = pa.schema([*names, ("epoch_probabilities", pa.list_(pa.float64()))])

    def batches() -> Iterator[pa.Table]:
        begin = 0
        for block in in_blocks(samples, ROWS):
            rows = slice(begin, begin := begin + len(block))
            epochs = dynamics["epoch_probabilities"][rows]
            edges = np.arange(len(block) + 1, dtype=np.int32) * epochs.shape[1]
            yield pa.table(
                {name: [getattr(sample, name) for sample in block] for name in ("id", "plm", "label")}
                | {name: dynamics[name][rows] if name in dynamics else pa.nulls(len(block)) for name in _SCORES}
                | {"epoch_probabilities": pa.ListArray.from_arrays(edges, epochs.ravel())},
                schema=schema,
            )

    _write(path, schema, batches())


def _absent(samples: Iterable[Sample], names: set[str]) -> set[str]:
    """Return which of ``names`` no sample has."""
    for sample in samples:
        names = {name for name in names if getattr(sample, name) is None}
        if not names:
            break
    return names


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with writing(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=ROWS)
