"""A column of values that grows in place."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_SLACK = 8


class Column:
    """Values (n, ...) one after the other; at most an eighth of what it takes is unused.

    It grows where it lies, so that it never takes its size twice: ``values`` is good only until the next ``extend``.
    """

    def __init__(self, dtype: DTypeLike, width: tuple[int, ...] = ()) -> None:
        self._room: NDArray[Any] = np.empty((0, *width), dtype=dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> NDArray[Any]:
        """Return what is held, not a copy."""
        return self._room[: self._count]

    def extend(self, values: NDArray[Any]) -> None:
        """Append ``values`` (m, ...)."""
        end = self._count + len(values)
        if end > len(self._room):
            self._room.resize((end + end // _SLACK, *self._room.shape[1:]), refcheck=False)
        self._room[self._count : end] = values
        self._count = end
