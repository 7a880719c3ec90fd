"""Rows of a sparse matrix, shared by all that are trained on some of them: taking rows copies nothing."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from synthgen.downstream.stm import Features, FloatArray, IntArray

_PIECE = 1 << 20
"""Entries that are looked at together."""


class SharedRows:
    """``rows`` of ``matrix`` in that order, all of them for None; ``features[rows]`` are rows of the same matrix.

    Products are those of a copy, to the bit: each sum is over the same numbers in the same order. Where most rows take
    part, in their order, they go through the whole matrix, and what belongs to no row is left out or is zero; otherwise
    the rows are copied for the time of the product. ``at_hand`` is for many products.
    """

    def __init__(self, matrix: csr_matrix, rows: IntArray | None = None) -> None:
        self._matrix = matrix
        self._rows = rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        count, width = self._matrix.shape
        return (count if self._rows is None else len(self._rows)), width

    @property
    def T(self) -> "_Transposed":  # noqa: N802, the name of scipy and numpy
        """The transpose, to be multiplied."""
        return _Transposed(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __reduce__(self) -> Any:
        """Take only the rows along to another process."""
        return SharedRows, (self.csr(),)

    def __getitem__(self, rows: Any) -> "SharedRows":
        if self._rows is not None:
            return SharedRows(self._matrix, self._rows[rows])
        if isinstance(rows, np.ndarray) and rows.dtype.kind == "i" and (not len(rows) or rows.min() >= 0):
            return SharedRows(self._matrix, rows)
        return SharedRows(self._matrix, np.arange(self._matrix.shape[0])[rows])

    def __matmul__(self, other: FloatArray) -> FloatArray:
        if self._rows is None:
            return np.asarray(self._matrix @ other)
        if self._through:
            return np.asarray((self._matrix @ other)[self._rows])
        return np.asarray(self.csr() @ other)

    def back(self, slopes: FloatArray) -> FloatArray:
        """Return the product of the transpose and ``slopes`` (n, ...)."""
        if self._rows is None:
            return np.asarray(self._matrix.T @ slopes)
        if not self._through:
            return np.asarray(self.csr().T @ slopes)
        spread = np.zeros((self._matrix.shape[0], *slopes.shape[1:]))
        spread[self._rows] = slopes
        return np.asarray(self._matrix.T @ spread)

    def csr(self) -> csr_matrix:
        """Return the rows as a matrix, which is a copy unless they are all."""
        return self._matrix if self._rows is None else self._matrix[self._rows]

    def at_hand(self) -> "SharedRows":
        """Return the same rows for many products: few of a large matrix copied, others as they are."""
        return self if self._rows is None or self._through else SharedRows(self.csr())

    def used(self) -> NDArray[np.bool_]:
        """Return which columns (d,) have an entry in these rows."""
        matrix, found = self._matrix, np.zeros(self.shape[1], dtype=bool)
        rows = np.arange(matrix.shape[0]) if self._rows is None else self._rows
        each = max(1, _PIECE * matrix.shape[0] // max(1, matrix.nnz))
        for start in range(0, len(rows), each):
            found[matrix[rows[start : start + each]].indices] = True
        return found

    @cached_property
    def _through(self) -> bool:
        rows = self._rows
        if rows is None or 2 * len(rows) < self._matrix.shape[0]:
            return False
        return bool((np.diff(rows) > 0).all())


class _Transposed:
    def __init__(self, rows: SharedRows) -> None:
        self._of = rows

    def __matmul__(self, slopes: FloatArray) -> FloatArray:
        return self._of.back(slopes)


def matrix(features: Features) -> csr_matrix:
    """Return features as scipy's matrix, copied where they are dense or some of the rows of another."""
    return features.csr() if isinstance(features, SharedRows) else csr_matrix(features)


def shared(features: "csr_matrix | SharedRows") -> SharedRows:
    """Return sparse features as rows to be shared."""
    return features if isinstance(features, SharedRows) else SharedRows(features)
