"""The samples of a run as Arrow tables: a block of lines at a time, so that memory does not grow with the run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgen.runs.files import damaged

SCHEMA = pa.schema(
    {
        **dict.fromkeys(("id", "text", "text_pair", "label", "attribute", "plm"), pa.string()),
        "round": pa.int64(),
        "request": pa.string(),
        "parent": pa.string(),
        "weight": pa.float64(),
    }
)
"""What a line of ``samples.jsonl`` may hold; the reader gives null for what it does not."""

_BLOCK = 1 << 23
_ALWAYS = ("id", "text", "label", "plm", "round")


def sample_batches(files: Sequence[Path], dataset: Path | None, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    """Yield the samples of ``samples.jsonl`` files, in order, with all columns of ``SCHEMA`` or those asked for.

    With a ``dataset`` (its ``train.parquet``) the weights are those that it has, and 0 for what is not in it; else
    those of the lines. Raises ``UserError`` where a file is damaged.
    """
    names = SCHEMA.names if columns is None else list(columns)
    weights = None
    if dataset and "weight" in names:
        chunks = [chunk for path in files for table in _tables(path, ["id"]) for chunk in table["id"].chunks]
        weights = weights_in(dataset, pa.chunked_array(chunks, pa.string()))
    begin = 0
    for path in files:
        for table in _tables(path, [name for name in names if weights is None or name != "weight"]):
            end = begin + table.num_rows
            if weights is not None:
                table = table.append_column("weight", pa.array(weights[begin:end])).select(names)
            begin = end
            yield table


def weights_in(dataset: Path, ids: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the weight that each of ``ids`` has in the dataset, 0 where it is not there."""
    try:
        table = pq.read_table(dataset, columns=["id", "weight"])
    except (pa.ArrowException, OSError, ValueError):
        raise damaged(dataset, "it is no Parquet with ids and weights") from None
    # One table of hashes for all, and none of Python's strings.
    rows = pc.index_in(ids, value_set=table["id"].combine_chunks()).combine_chunks().fill_null(-1).to_numpy()
    weights: NDArray[np.float64] = np.append(table["weight"].to_numpy().astype(np.float64), 0.0)[rows]
    return weights


def _tables(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    with path.open("rb") as file:
        for block in _blocks(file):
            reading = pa.json.ReadOptions(block_size=len(block) + 1)
            try:
                table = pa.json.read_json(pa.BufferReader(block), reading, options).select(columns)
            except pa.ArrowException:
                raise damaged(path, "a line is no sample") from None
            if any(table[name].null_count for name in _ALWAYS if name in columns):
                raise damaged(path, "a sample lacks what each has")
            yield table


def _blocks(file: BinaryIO) -> Iterator[Any]:
    """Yield whole lines, a block of them at a time, however long one is."""
    while block := file.read(_BLOCK):
        yield block if block.endswith(b"\n") else block + file.readline()
