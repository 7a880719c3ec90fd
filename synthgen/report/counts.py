"""How many samples a dataset has, by label, PLM, round and attribute, read from its Parquet file or the metrics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MANY = 100


@dataclass(frozen=True, slots=True)
class Table:
    """A head and its lines; the first cell of a line is its name."""

    head: tuple[str, ...]
    lines: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What is in the dataset. ``columns`` are those of the file, empty where there is none."""

    size: int
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    tables: tuple[Table, ...]


def read_counts(parquet: Path | None, metrics: Mapping[str, Any]) -> Counts:
    """Count the rows of ``parquet``, by PLM too; without it, return what the metrics of the run say."""
    if parquet is None:
        told = (("PLM", "samples_by_plm"), ("label", "samples_by_label"))
        given = [Table((head, "samples"), tuple((metrics.get(key) or {}).items())) for head, key in told]
        labels = tuple(metrics.get("samples_by_label") or ())
        return Counts(metrics.get("samples") or 0, labels, (), tuple(given))
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features

    schema = pq.read_schema(parquet)
    names = Features.from_arrow_schema(schema)["label"].names
    kinds = tuple(name for name in ("label", "round", "attribute") if name in schema.names)
    heads: dict[str, None] = {}
    tallies: dict[str, Counter[tuple[Any, str]]] = {kind: Counter() for kind in kinds}
    with pq.ParquetFile(parquet) as file:
        rows = file.metadata.num_rows
        for batch in file.iter_batches(columns=["plm", *kinds]):
            table = pa.table(batch)
            heads |= dict.fromkeys(table["plm"].unique().to_pylist())
            for kind, tally in tallies.items():
                for row in table.group_by([kind, "plm"]).aggregate([([], "count_all")]).to_pylist():
                    tally[names[row[kind]] if kind == "label" else row[kind], row["plm"]] += row["count_all"]
    tables = []
    for kind, tally in tallies.items():
        values = {value for value, _ in tally}
        order = names if kind == "label" else sorted(values, key=lambda value: (value is None, value))
        tables.append(_cross(kind, order[:_MANY], tally, list(heads)))
    return Counts(rows, tuple(names), tuple(schema.names), tuple(tables))


def _cross(kind: str, order: Sequence[Any], tally: Mapping[tuple[Any, str], int], heads: Sequence[str]) -> Table:
    lines = [[tally[value, plm] for plm in heads] for value in order]
    both = [(value, *line, *([sum(line)] if len(heads) > 1 else [])) for value, line in zip(order, lines, strict=True)]
    return Table((kind, *heads, *(["all"] if len(heads) > 1 else [])), tuple(both))
