"""All samples of a run as columns of numbers, beside their texts, which stay on disk until some are asked for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthgen.runs.batches import SCHEMA, sample_batches, weights_in
from synthgen.runs.files import damaged

Rows = NDArray[np.int64]
NAMED = ("plm", "label", "attribute")
"""The columns that hold names."""


@dataclass(frozen=True, slots=True)
class SampleTable:
    """The samples in order. ``ids`` are bytes; the others have a value a sample, shape (n,).

    ``codes[column]`` are places in ``names[column]``, -1 for none, for the columns ``NAMED``. ``weight`` is that in the
    dataset, 0 for what is not in it. About 60 bytes a sample.
    """

    ids: pa.Array
    names: Mapping[str, Sequence[str]]
    codes: Mapping[str, Rows]
    round: Rows
    weight: NDArray[np.float64]
    _places: Rows
    _fetch: Callable[[Rows], Iterator[dict[str, Any]]]

    @staticmethod
    def of(samples: "SampleTable | Iterable[Mapping[str, Any]]") -> "SampleTable":
        """Return samples that are in memory as such a table, and a table as it is."""
        if isinstance(samples, SampleTable):
            return samples
        rows = list(samples)
        names: dict[str, list[str]] = {}
        codes = {}
        for name in NAMED:
            known = names[name] = list(dict.fromkeys(row[name] for row in rows if row.get(name) is not None))
            place: dict[Any, int] = {value: code for code, value in enumerate(known)}
            codes[name] = np.array([place.get(row.get(name), -1) for row in rows], dtype=np.int64)
        return SampleTable(
            ids=pa.array([encoded(row["id"]) for row in rows], pa.binary()),
            names=names,
            codes=codes,
            round=np.array([row.get("round", 0) for row in rows], dtype=np.int64),
            weight=np.array([row.get("weight", 1.0) for row in rows], dtype=np.float64),
            _places=np.arange(len(rows)),
            _fetch=lambda places: (dict(rows[place]) for place in places.tolist()),
        )

    @staticmethod
    def read(files: Sequence[Path], dataset: Path | None) -> "SampleTable":
        """Return the samples of the files of rounds; see ``sample_batches``."""
        tables, ends = [], [0]
        for path in files:
            tables += list(sample_batches([path], None, _SCHEMA.names))
            ends.append(sum(table.num_rows for table in tables))
        whole = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
        coded = {name: whole[name].combine_chunks().dictionary_encode() for name in NAMED}
        return SampleTable(
            ids=whole["id"].combine_chunks().cast(pa.binary()),
            names={name: column.dictionary.to_pylist() for name, column in coded.items()},
            codes={name: column.indices.fill_null(-1).to_numpy().astype(np.int64) for name, column in coded.items()},
            round=whole["round"].to_numpy(),
            weight=weights_in(dataset, whole["id"]) if dataset else whole["weight"].fill_null(1.0).to_numpy(),
            _places=np.arange(whole.num_rows),
            _fetch=lambda places: _lines(files, ends, places),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def taken(self, places: Rows) -> "SampleTable":
        """Return the samples at some ``places``, ascending."""
        return replace(
            self,
            ids=self.ids.take(pa.array(places)),
            codes={name: codes[places] for name, codes in self.codes.items()},
            round=self.round[places],
            weight=self.weight[places],
            _places=self._places[places],
        )

    def rows(self, places: Sequence[int] | Rows) -> list[dict[str, Any]]:
        """Return the samples at some places, in that order, each as ``Run.samples`` has it."""
        wanted = np.asarray(places, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        rows: list[dict[str, Any]] = [{}] * len(wanted)
        for place, row in zip(order.tolist(), self.each(wanted[order]), strict=True):
            rows[place] = row
        return rows

    def each(self, places: Rows) -> Iterator[dict[str, Any]]:
        """Yield what ``rows`` returns, one at a time; ``places`` ascend."""
        for place, row in zip(places.tolist(), self._fetch(self._places[places]), strict=True):
            if "weight" in row:
                row["weight"] = float(self.weight[place])
            yield row

    def present(self, column: str) -> list[int]:
        """Return the codes of the names that there are in a column, in order of first appearance."""
        codes, first = np.unique(self.codes[column], return_index=True)
        return [code for code in codes[np.argsort(first)].tolist() if code >= 0]

    def places_of(self, ids: Iterable[str]) -> Rows:
        """Return where the samples of these ids are, -1 for what is not there."""
        return found_in(pa.array(map(encoded, ids), pa.binary()), self.ids)

    def grouped(self) -> list[tuple[str, str, Rows]]:
        """Return PLM, label and the places, ascending, of all samples with both; groups as they first appear."""
        labels = self.names["label"]
        group = self.codes["plm"] * max(len(labels), 1) + self.codes["label"]
        order = np.argsort(group, kind="stable")
        edges = [0, *(np.flatnonzero(np.diff(group[order])) + 1).tolist(), len(order)]
        parts = [order[begin:end] for begin, end in pairwise(edges) if end > begin]
        return [
            (self.names["plm"][self.codes["plm"][part[0]]], labels[self.codes["label"][part[0]]], part)
            for part in sorted(parts, key=lambda part: int(part[0]))
        ]


def encoded(name: object) -> bytes:
    """Return an id as ``SampleTable.ids`` has it."""
    return str(name).encode("utf-8", "surrogatepass")


def found_in(ids: pa.Array, others: pa.Array) -> Rows:
    """Return where each of ``ids`` is among ``others`` (both bytes), -1 where it is not."""
    if ids.equals(others):
        return np.arange(len(ids))
    rows: Rows = pc.index_in(ids, value_set=others).fill_null(-1).to_numpy().astype(np.int64)
    return rows


_SCHEMA = pa.schema([SCHEMA.field(name) for name in ("id", *NAMED, "round", "weight")])


def _lines(files: Sequence[Path], ends: Sequence[int], places: Rows) -> Iterator[dict[str, Any]]:
    """Yield the lines at ascending ``places`` of the files, which end at ``ends``."""
    for path, (begin, end) in zip(files, pairwise(ends), strict=True):
        wanted = iter((places[(places >= begin) & (places < end)] - begin).tolist())
        place = next(wanted, None)
        if place is None:
            continue
        with path.open("rb") as file:
            for number, line in enumerate(file):
                while number == place:
                    yield _object(line, path)
                    place = next(wanted, None)
                if place is None:
                    break


def _object(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        raise damaged(path, "a line is no sample") from None
    return row
