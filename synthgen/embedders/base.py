"""What every embedder does."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit rows whose dot products say how close two texts are."""

    name: str

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> Rows:
        """Return unit rows (n, d) in the order of ``texts``; (0, d) for none.

        With ``alone`` every row depends on its own text and on nothing else, bit by bit. Use it for private texts:
        one record then cannot move the votes of another. Any string is accepted, the empty one too.
        """
        ...


def unit_rows(rows: NDArray[np.floating]) -> Rows:
    """Scale each row to length 1; a row without a direction (all zero, not finite) becomes the first axis."""
    wide = np.asarray(rows, dtype=np.float64)
    length = np.sqrt(np.square(wide).sum(axis=1))
    lost = ~(np.isfinite(length) & (length > 0))
    if lost.any():
        wide = np.where(lost[:, None], np.eye(1, wide.shape[1]), wide)
        length = np.where(lost, 1.0, length)
    unit: Rows = (wide / length[:, None]).astype(np.float32)
    return unit
