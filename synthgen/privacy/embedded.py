"""Quantised embeddings of synthetic samples, put aside: 2 bytes a number, in a temporary file that has no name."""

from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

from synthgen.aside import file_of, room_for

TOGETHER = 65_536
"""Samples whose embeddings are in memory at once."""
_IN_MEMORY = 1 << 26
"""Bytes up to which there is no file."""
_NEAR = 16
"""How many times as many rows as are wanted are read, at most, where they lie together."""


class Store:
    """Rows (n, d) of whole numbers below 2^15, as ``quantised`` makes them, in the order in which they were added."""

    def __init__(self, dimensions: int) -> None:
        self._width = dimensions
        self._count = 0
        self._file = file_of(self, _IN_MEMORY)

    def add(self, rows: NDArray[np.float32]) -> range:
        """Append rows (m, d) and return their places. Raises ``SynthgenError`` where there is no room."""
        with room_for("The embeddings of the samples"):
            self._file.seek(self._count * self._width * 2)
            self._file.write(rows.astype(np.int16).tobytes())
        self._count += len(rows)
        return range(self._count - len(rows), self._count)

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows (m, d) at ``places``."""
        found = np.empty((len(places), self._width), dtype=np.float32)
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        # What lies near each other is read at one go.
        cuts = [0, *(np.flatnonzero(np.diff(ordered) > _NEAR) + 1).tolist(), len(places)]
        for start, end in pairwise(cuts):
            if start < end:
                first, last = int(ordered[start]), int(ordered[end - 1]) + 1
                self._file.seek(first * self._width * 2)
                read = np.frombuffer(self._file.read((last - first) * self._width * 2), dtype=np.int16)
                found[order[start:end]] = read.reshape(-1, self._width)[ordered[start:end] - first]
        return found


class Embedded:
    """The embeddings (n, d) of some samples: a slice reads rows, an array of positions chooses among them.

    ``unit`` divides each number by it when it is read.
    """

    ndim = 2

    def __init__(self, store: Store, places: NDArray[np.int64], dimensions: int, *, unit: float = 1.0) -> None:
        self._store = store
        self._places = places
        self.shape = (len(places), dimensions)
        self._unit = np.float32(unit)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: slice) -> NDArray[np.float32]: ...

    @overload
    def __getitem__(self, at: NDArray[np.int64]) -> "Embedded": ...

    def __getitem__(self, at: "slice | NDArray[np.int64]") -> "NDArray[np.float32] | Embedded":
        if isinstance(at, slice):
            return self._store.rows(self._places[at]) / self._unit
        return Embedded(self._store, self._places[at], self.shape[1], unit=float(self._unit))

    def over(self, unit: float) -> "Embedded":
        """Return the same divided by ``unit``."""
        return Embedded(self._store, self._places, self.shape[1], unit=unit)
