"""The samples of a run: on disk, where each is read back when it is asked for."""

import json
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import UserError
from synthgen.records import Sample

Rows = NDArray[np.int64]

_BLOCK, _NEWLINE = 1 << 22, ord("\n")


class Samples(Sequence[Sample]):
    """All samples of the ``samples.jsonl`` files added, in order. In memory is where lines begin, 8 bytes a sample.

    A slice is a view. Raises ``UserError`` where a line is no sample any more.
    """

    def __init__(self) -> None:
        self._files: list[tuple[Path, NDArray[np.int64]]] = []
        self._ends: list[int] = []

    def add(self, path: Path) -> None:
        """Append the samples of a file, which is not written to any more."""
        edges = _edges(path)
        self._files.append((path, edges))
        self._ends.append(len(self) + len(edges) - 1)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Sample]:
        for path, _ in self._files:
            with path.open("rb") as file:
                for line in file:
                    yield _sample(line, path)

    @overload
    def __getitem__(self, at: int) -> Sample: ...

    @overload
    def __getitem__(self, at: slice) -> "Picked": ...

    def __getitem__(self, at: int | slice) -> "Sample | Picked":
        if isinstance(at, slice):
            return Picked(self, np.arange(*at.indices(len(self))))
        row = range(len(self))[at]
        number = bisect_right(self._ends, row)
        path, edges = self._files[number]
        line = row - self._ends[number] - 1 + len(edges)
        begin, end = int(edges[line]), int(edges[line + 1])
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            return _sample(file.read(end - begin), path)


class Picked(Sequence[Sample]):
    """Some ``rows`` (n,) of samples, with other ``weights`` (n,) where given; each is made when it is asked for."""

    def __init__(self, samples: Sequence[Sample], rows: Rows, weights: NDArray[np.float64] | None = None) -> None:
        self._samples = samples
        self._rows = rows
        self._weights = weights

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Sample]:
        if (np.diff(self._rows) <= 0).any():
            yield from (self[place] for place in range(len(self)))
            return
        place = 0
        for row, sample in enumerate(self._samples):
            if place == len(self):
                return
            if row == self._rows[place]:
                yield self._weighed(sample, place)
                place += 1

    @overload
    def __getitem__(self, at: int) -> Sample: ...

    @overload
    def __getitem__(self, at: slice) -> "Picked": ...

    def __getitem__(self, at: int | slice) -> "Sample | Picked":
        if isinstance(at, slice):
            return Picked(self._samples, self._rows[at], None if self._weights is None else self._weights[at])
        return self._weighed(self._samples[int(self._rows[at])], at)

    def _weighed(self, sample: Sample, place: int) -> Sample:
        return sample if self._weights is None else replace(sample, weight=float(self._weights[place]))


class Texts(Sequence[str]):
    """The texts of samples (pairs, where there are two), each read when it is asked for."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[str]:
        return (sample.whole for sample in self._samples)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> "Texts": ...

    def __getitem__(self, at: int | slice) -> "str | Texts":
        return Texts(self._samples[at]) if isinstance(at, slice) else self._samples[at].whole


def _edges(path: Path) -> NDArray[np.int64]:
    """Return where each line of a file begins, and where the last ends, shape (lines + 1,)."""
    found, at = [np.zeros(1, dtype=np.int64)], 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.append(np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE) + at + 1)
            at += len(block)
    return np.concatenate(found)


def _sample(line: bytes, path: Path) -> Sample:
    try:
        row = json.loads(line)
        # One string for each name, not one a sample.
        row["label"], row["plm"] = sys.intern(row["label"]), sys.intern(row["plm"])
        return Sample(**row)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError(f"{path} is damaged: a line is no sample; go on with --resume to write it anew.") from None
