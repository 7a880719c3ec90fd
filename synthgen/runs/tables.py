"""The Parquet tables of a run: the dataset and the dynamics. Equal content gives equal bytes."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.records import Sample
from synthgen.runs.files import write_bytes
from synthgen.tasks.task import Task


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
    columns: dict[str, list[Any]] = {name: [getattr(sample, name) for sample in samples] for name in kinds}
    columns["label"] = [task.label_id(label) for label in columns["label"]]
    for name in ("text_pair", "attribute"):
        if all(value is None for value in columns[name]):
            del columns[name], kinds[name]
    _write(path, pa.table(columns, schema=Features(kinds).arrow_schema))


def write_dynamics(path: Path, samples: Sequence[Sample], dynamics: dict[str, Any]) -> None:
    """Write a row a sample: who wrote it, and what the STMs made of it. Cross-model columns are null for one PLM."""
    absent = pa.nulls(len(samples), pa.float64())
    table = {
        "id": [sample.id for sample in samples],
        "plm": [sample.plm for sample in samples],
        "label": [sample.label for sample in samples],
    } | {
        name: pa.array(dynamics[name], pa.float64()) if name in dynamics else absent
        for name in (
            "confidence",
            "variability",
            "correctness",
            "cross_model_confidence",
            "cross_model_variability",
        )
    }
    table["epoch_probabilities"] = pa.array(list(dynamics["epoch_probabilities"]), pa.list_(pa.float64()))
    _write(path, pa.table(table))


def _write(path: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue())
