"""Score STMs on gold data. Nothing here flows back into a run."""

from collections.abc import Sequence

import numpy as np

from synthgen.downstream.stm import STM, Fit, FloatArray, IntArray
from synthgen.tasks.gold import Gold
from synthgen.tasks.task import Task


def scores(fits: Sequence[Fit], *, stm: STM, task: Task, gold: Gold) -> list[dict[str, float]]:
    """Return ``accuracy`` and ``macro_f1`` (0 to 1) of each fit, in the feature space of the STM's last start."""
    features = stm.features(gold.whole)
    truth = np.array([task.label_id(label) for label in gold.labels])
    found = [np.asarray(fit.predict_proba(features).argmax(axis=1), dtype=np.int64) for fit in fits]
    return [{"accuracy": float((said == truth).mean()), "macro_f1": macro_f1(truth, said)} for said in found]


def macro_f1(truth: IntArray, said: IntArray) -> float:
    """Return the mean over labels of the harmonic mean of precision and recall.

    Of labels that are neither true nor said of any text there is no score; they are left out, as scikit-learn does.
    """
    size = int(max(truth.max(), said.max())) + 1
    right = np.bincount(truth[truth == said], minlength=size)
    occurs = np.bincount(truth, minlength=size) + np.bincount(said, minlength=size)
    known: FloatArray = 2 * right[occurs > 0] / occurs[occurs > 0]
    return float(known.mean())
