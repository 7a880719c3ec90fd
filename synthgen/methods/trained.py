"""The plain way to learn from samples: one STM a PLM and one on all, every sample counting the same."""

from collections.abc import Mapping, Sequence

import numpy as np

from synthgen.downstream.dynamics import training_dynamics
from synthgen.downstream.stm import STM, Features, Fit, FloatArray, IntArray
from synthgen.methods.base import Learned, Weighed
from synthgen.records import Sample
from synthgen.tasks.task import Task


def label_ids(samples: Sequence[Sample], task: Task) -> IntArray:
    """Return the samples' label ids, shape ``(n,)``."""
    return np.array([task.label_id(sample.label) for sample in samples], dtype=np.int64)


def started(stm: STM, samples: Sequence[Sample], task: Task) -> tuple[Features, IntArray]:
    """Fix the feature space on the samples' texts and return their features and label ids."""
    return stm.start([sample.whole for sample in samples]), label_ids(samples, task)


def rows_by_plm(samples: Sequence[Sample], plms: Sequence[str]) -> dict[str, IntArray]:
    """Return the rows of each PLM that wrote something, in the order of ``plms``."""
    wrote = np.array([sample.plm for sample in samples])
    rows = {plm: np.flatnonzero(wrote == plm) for plm in plms}
    return {plm: found for plm, found in rows.items() if len(found)}


def train(samples: Sequence[Sample], *, stm: STM, task: Task, plms: Sequence[str]) -> Learned:
    """Train one STM on all samples and one per PLM on its own, from a common start, with equal weights."""
    features, labels = started(stm, samples, task)
    rows_of = rows_by_plm(samples, plms)
    alone = {plm: stm.fit(features[rows], labels[rows], n_labels=len(task.labels)) for plm, rows in rows_of.items()}
    union = stm.fit(features, labels, n_labels=len(task.labels))
    return Learned(union, alone, dynamics_of(alone, rows_of, labels))


def train_on(rows: IntArray, samples: Sequence[Sample], *, stm: STM, task: Task) -> Weighed:
    """Return weights (n,), 1 in ``rows`` and 0 elsewhere, and an STM trained on those rows alone."""
    features, labels = started(stm, [samples[row] for row in rows], task)
    weights = np.zeros(len(samples))
    weights[rows] = 1.0
    return Weighed(weights, stm.fit(features, labels, n_labels=len(task.labels)))


def train_weighted(samples: Sequence[Sample], *, stm: STM, task: Task) -> Fit:
    """Train an STM on samples as they are weighed."""
    features, labels = started(stm, samples, task)
    return stm.fit(features, labels, np.array([sample.weight for sample in samples]), n_labels=len(task.labels))


def dynamics_of(alone: Mapping[str, Fit], rows_of: Mapping[str, IntArray], labels: IntArray) -> dict[str, FloatArray]:
    """Put the training dynamics of each PLM's own STM side by side, a row a sample."""
    n_epochs = next(iter(alone.values())).epoch_probabilities.shape[0]
    columns = {name: np.empty(len(labels)) for name in ("confidence", "variability", "correctness")}
    columns["epoch_probabilities"] = np.empty((len(labels), n_epochs))
    for plm, rows in rows_of.items():
        probabilities = alone[plm].epoch_probabilities
        own = training_dynamics(probabilities, labels[rows])
        for name in ("confidence", "variability", "correctness"):
            columns[name][rows] = getattr(own, name)
        columns["epoch_probabilities"][rows] = probabilities[:, np.arange(len(rows)), labels[rows]].T
    return columns
