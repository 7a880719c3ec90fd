"""Score STMs on gold data. Nothing here flows back into a run."""

from collections.abc import Sequence

import numpy as np

from synthgen.downstream.stm import STM, Fit
from synthgen.tasks.gold import Gold
from synthgen.tasks.task import Task


def accuracies(fits: Sequence[Fit], *, stm: STM, task: Task, gold: Gold) -> list[float]:
    """Return the share of gold texts each fit labels rightly, 0 to 1, in the feature space of the STM's last start."""
    features = stm.features(gold.texts)
    truth = np.array([task.label_id(label) for label in gold.labels])
    return [float((fit.predict_proba(features).argmax(axis=1) == truth).mean()) for fit in fits]
