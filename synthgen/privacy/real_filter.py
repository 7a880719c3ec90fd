"""Distances between synthetic and private samples of different labels. Nothing here is private: see ``Vault.look``."""

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.privacy.parties import Records
from synthgen.privacy.voting import SCALE, Embeddings, pieces

BLOCK = 2048
SEEN = 4000
"""Private samples of which cross-label distances are taken, about."""


def cross_label_distance(records: Records, percentile: float) -> float:
    """Return a percentile of the distances between private samples of different labels; not private.

    Of large sets a part is taken, evenly spaced in each label. Raises ``UserError`` where there is one label only.
    """
    present = np.unique(records.labels)
    if len(present) < 2:
        raise UserError("Distances across labels need private samples of at least two labels.")
    most = max(1, SEEN // len(present))
    groups = [np.flatnonzero(records.labels == label) for label in present]
    rows = np.concatenate([rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)] for rows in groups])
    distances = np.concatenate(
        [
            _distances(records.embeddings[mine], records.embeddings[others]).ravel()
            for label in present[:-1]
            for mine, others in [(rows[records.labels[rows] == label], rows[records.labels[rows] > label])]
        ]
    )
    return float(np.percentile(distances, percentile))


def far_from_others(records: Records, embeddings: Embeddings, labels: IntArray, threshold: float) -> NDArray[np.bool_]:
    """Return (n,) whether a sample is at least ``threshold`` from every private sample of another label; not private.

    ``embeddings`` (n, d) are quantised, ``labels`` (n,) label ids.
    """
    kept = np.ones(len(embeddings), dtype=bool)
    for label in np.unique(labels):
        others = records.embeddings[records.labels != label]
        rows = np.flatnonzero(labels == label)
        for part in pieces(slice(0, len(rows)), BLOCK):
            for against in pieces(slice(0, len(others)), BLOCK):
                near = _distances(embeddings[rows[part]], others[against]) < threshold
                kept[rows[part]] &= ~near.any(axis=1)
    return kept


def _distances(one: Embeddings, other: Embeddings) -> FloatArray:
    """Return all distances (n, m); exact but for the root, as the rows are whole numbers."""
    products = (one @ other.T).astype(np.float64)
    squares = [np.einsum("ij,ij->i", rows, rows, dtype=np.float64) for rows in (one, other)]
    return np.asarray(np.sqrt(squares[0][:, None] + squares[1] - 2 * products) / SCALE)
