"""How many labels are wrong, estimated without gold: confident learning (Northcutt et al. 2021) over five folds."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from synthgen.curate.words import words
from synthgen.downstream.stm import STM, FloatArray, IntArray

FOLDS = 5


def label_noise(
    texts: Sequence[str], labels: IntArray, *, stm: STM, label_names: Sequence[str], seed: int = 0
) -> dict[str, Any] | None:
    """Return estimates of the share of wrong labels, in [0, 1]; ``labels`` (n,) are positions in ``label_names``.

    ``share`` and ``by_label`` (of the texts with that label) come from the calibrated confident joint; ``disagreement``
    is the share of texts that an STM trained without them labels otherwise. Starts ``stm`` anew. The estimate includes
    the confident mistakes of the STM: docs/quality.md says how many. None with fewer than two labels, or where a
    label has fewer than five texts of its own.
    """
    folds = _folds(texts, labels, seed)
    present = np.unique(labels)
    distinct = [len(np.unique(folds[labels == label])) for label in present]
    if len(present) < 2 or min(distinct) < FOLDS:
        return None
    chances = held_out_probabilities(texts, labels, folds, stm=stm, n_labels=len(label_names))
    joint = calibrated_joint(chances, labels)
    mass = joint.sum(axis=1)
    return {
        "share": max(0.0, 1.0 - float(np.trace(joint))),
        "by_label": {label_names[label]: max(0.0, 1.0 - float(joint[label, label] / mass[label])) for label in present},
        "disagreement": float((chances.argmax(axis=1) != labels).mean()),
        "stm": stm.name,
    }


def held_out_probabilities(
    texts: Sequence[str], labels: IntArray, folds: IntArray, *, stm: STM, n_labels: int
) -> FloatArray:
    """Return the probabilities (n, C) of each text by the STM trained on all folds but its own."""
    features = stm.start(texts)
    chances = np.empty((len(labels), n_labels))
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        outside = np.flatnonzero(folds != fold)
        fit = stm.fit(features[outside], labels[outside], n_labels=n_labels)
        chances[inside] = fit.predict_proba(features[inside])
    return chances


def calibrated_joint(chances: FloatArray, labels: IntArray) -> FloatArray:
    """Return the estimated joint distribution (C, C) of given and true label, eq. 1 to 3 of the paper.

    A text counts towards the most probable of the labels that it has with at least the mean probability of the texts
    so labelled, and nowhere where there is none; each row is then scaled to the share of its label. A row that
    counts nothing stays on the diagonal.
    """
    size = chances.shape[1]
    given = np.bincount(labels, minlength=size)
    sums = np.bincount(labels, chances[np.arange(len(labels)), labels], minlength=size)
    thresholds = np.where(given > 0, sums / np.maximum(given, 1), np.inf)
    sure = np.where(chances >= thresholds, chances, -1.0)
    confident = sure.max(axis=1) >= 0
    counts = np.zeros((size, size))
    np.add.at(counts, (labels[confident], sure.argmax(axis=1)[confident]), 1.0)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1.0
    joint: FloatArray = counts / counts.sum(axis=1, keepdims=True) * given[:, None] / len(labels)
    return joint


def _folds(texts: Sequence[str], labels: IntArray, seed: int) -> IntArray:
    """Return the fold of each text, labels spread evenly; texts of the same words share one, or they would be known."""
    digests = b"".join(blake2b(" ".join(words(text)).encode(), digest_size=16).digest() for text in texts)
    first, of = np.unique(np.frombuffer(digests, dtype="S16"), return_index=True, return_inverse=True)[1:]
    # Numbered as they come, not as the digests are ordered.
    of, first = np.argsort(np.argsort(first))[of], np.sort(first)
    fold = np.empty(len(first), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels[first]):
        own = rng.permutation(np.flatnonzero(labels[first] == label))
        fold[own] = np.arange(len(own)) % FOLDS
    spread: IntArray = fold[of]
    return spread
