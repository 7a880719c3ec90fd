"""Fréchet distance between the embeddings of two sets of texts (Heusel et al. 2017, there of pictures)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, svdvals

from synthgen.embedders.base import Embedder
from synthgen.errors import UserError
from synthgen.tasks.labelled import label_names, label_of, rows_of, text_of

FloatArray = NDArray[np.float64]
ENOUGH = 3
"""Texts a dimension from which the bias of the distance can be taken off; docs/quality.md has the measurements."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Texts that others are compared with; ``labels`` (names) are None where the file has none."""

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    source: str


def read_reference(path: Path, labels: Sequence[str]) -> Reference:
    """Read JSONL, plain or ``.gz``, with ``text`` in every object, and ``label`` in all or none.

    Raises ``UserError`` with file and line where anything is wrong, and for fewer than two texts.
    """
    name_of = label_names(labels)
    texts: list[str] = []
    names: list[str] = []
    for number, row in rows_of(path, "reference"):
        where = f"Line {number} of reference file {path.name}"
        texts.append(text_of(row, "text", where))
        if "label" in row:
            names.append(label_of(row["label"], name_of, labels, where))
        if names and len(names) < len(texts):
            raise UserError(f"{where} and the first differ in having a label; give one on every line or on none.")
    if len(texts) < 2:
        raise UserError(f"The reference file {path.name} has one text only; a distance needs at least two.")
    return Reference(tuple(texts), tuple(names) or None, f"file:{path.name}")


def distance_to(
    reference: Reference, texts: Sequence[str], labels: Sequence[str], embedder: Embedder, *, seed: int = 0
) -> dict[str, Any]:
    """Return how far ``texts`` (at least two) are from a reference: ``compared`` of all, and ``by_label``.

    ``by_label`` has the labels of which both sides have two texts, and is empty where the reference has no labels.
    """
    rows, others = (embedder.encode(side).astype(np.float64) for side in (texts, reference.texts))
    found: dict[str, Any] = {
        "embedder": embedder.name,
        "reference": reference.source,
        **compared(rows, others, seed=seed),
        "by_label": {},
    }
    if reference.labels is not None:
        own, theirs = np.array(labels), np.array(reference.labels)
        for label in sorted(set(labels) & set(reference.labels)):
            pair = rows[own == label], others[theirs == label]
            if min(map(len, pair)) > 1:
                found["by_label"][label] = compared(*pair, seed=seed)
    return found


def compared(rows: FloatArray, others: FloatArray, *, seed: int = 0) -> dict[str, Any]:
    """Return ``distance``, ``corrected``, the two numbers of ``texts``, ``dimensions`` and whether it is ``rough``.

    ``distance`` is too great by about ``a / n + b / m`` for samples of n and m. ``corrected`` takes that off: halves
    of both samples (drawn by ``seed``) are too far apart by twice as much. It can be negative where the two do not
    differ. It is None, and the figure is ``rough``, where a side has fewer than ``ENOUGH`` texts a dimension: the
    bias is not of that form then.
    """
    dimensions, sizes = rows.shape[1], (len(rows), len(others))
    rough = min(sizes) < ENOUGH * dimensions
    distance = frechet_distance(rows, others)
    return {
        "distance": distance,
        "corrected": None if rough else 2 * distance - _of_halves(rows, others, seed),
        "texts": list(sizes),
        "dimensions": dimensions,
        "rough": rough,
    }


def frechet_distance(rows: FloatArray, others: FloatArray) -> float:
    """Return ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` of rows (n, d) and (m, d), with n, m > 1.

    In squared units of the embedding. The covariances divide by n - 1; the trace of the root is the sum of the singular
    values of ``S1^(1/2) S2^(1/2)``, which stays real and finite where a covariance has no full rank.
    """
    first, second = (_covariance(side) for side in (rows, others))
    shift = rows.mean(axis=0) - others.mean(axis=0)
    shared = float(svdvals(_root(first) @ _root(second)).sum())
    return max(0.0, float(shift @ shift) + float(np.trace(first)) + float(np.trace(second)) - 2 * shared)


def _of_halves(rows: FloatArray, others: FloatArray, seed: int) -> float:
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(len(side)), 2) for side in (rows, others)]
    return float(np.mean([frechet_distance(rows[a], others[b]) for a, b in zip(*halves, strict=True)]))


def _covariance(rows: FloatArray) -> FloatArray:
    centred = rows - rows.mean(axis=0)
    covariance: FloatArray = centred.T @ centred / (len(rows) - 1)
    return covariance


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = eigh(covariance)
    root: FloatArray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
