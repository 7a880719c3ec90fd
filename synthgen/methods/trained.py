"""The plain way to learn from samples: one STM a PLM and one on all, every sample counting the same.

Samples may be on disk and more than memory holds: what is kept of them are columns of numbers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from synthgen.downstream.dynamics import training_dynamics
from synthgen.downstream.stm import STM, Features, Fit, FloatArray, IntArray
from synthgen.methods.base import Learned, Weighed
from synthgen.records import Sample
from synthgen.samples import Picked, Texts
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task


def label_ids(samples: Sequence[Sample], task: Task) -> IntArray:
    """Return the samples' label ids, shape ``(n,)``."""
    return np.fromiter((task.label_id(sample.label) for sample in samples), np.int64, len(samples))


def drawn(samples: Sequence[Sample], *names: object) -> IntArray:
    """Return a number (n,) drawn for each sample by ``names`` and its id: their order is a random one."""
    return np.fromiter((derive_seed(*names, sample.id) for sample in samples), np.int64, len(samples))


def started(stm: STM, samples: Sequence[Sample], task: Task) -> tuple[Features, IntArray]:
    """Fix the feature space on the samples' texts and return their features and label ids."""
    return stm.start(Texts(samples)), label_ids(samples, task)


def rows_by_plm(samples: Sequence[Sample], plms: Sequence[str]) -> dict[str, IntArray]:
    """Return the rows of each PLM that wrote something, in the order of ``plms``."""
    number = {plm: place for place, plm in enumerate(plms)}
    wrote = np.fromiter((number.get(sample.plm, -1) for sample in samples), np.int64, len(samples))
    rows = {plm: np.flatnonzero(wrote == place) for plm, place in number.items()}
    return {plm: found for plm, found in rows.items() if len(found)}


def fits_on(
    parts: Iterable[IntArray], features: Features, labels: IntArray, *, stm: STM, n_labels: int
) -> Iterator[Fit]:
    """Train an STM on the rows of each part, from a common start, with equal weights."""
    return stm.fit_each(((features[rows], labels[rows]) for rows in parts), n_labels=n_labels)


def train(
    samples: Sequence[Sample], *, stm: STM, task: Task, plms: Sequence[str], union: IntArray | None = None
) -> Learned:
    """Train one STM on all samples and one per PLM on its own, from a common start, with equal weights.

    ``union`` are the rows of the first where they are not all.
    """
    features, labels = started(stm, samples, task)
    rows_of = rows_by_plm(samples, plms)
    own = fits_on(rows_of.values(), features, labels, stm=stm, n_labels=len(task.labels))
    alone = dict(zip(rows_of, own, strict=True))
    given = (features, labels) if union is None else (features[union], labels[union])
    return Learned(stm.fit(*given, n_labels=len(task.labels)), alone, dynamics_of(alone, rows_of, labels))


def train_on(rows: IntArray, samples: Sequence[Sample], *, stm: STM, task: Task) -> Weighed:
    """Return weights (n,), 1 in ``rows`` and 0 elsewhere, and an STM trained on those rows alone."""
    features, labels = started(stm, Picked(samples, rows), task)
    weights = np.zeros(len(samples))
    weights[rows] = 1.0
    return Weighed(weights, stm.fit(features, labels, n_labels=len(task.labels)))


def train_weighted(samples: Sequence[Sample], *, stm: STM, task: Task) -> Fit:
    """Train an STM on samples as they are weighed."""
    features, labels = started(stm, samples, task)
    weights = np.fromiter((sample.weight for sample in samples), np.float64, len(samples))
    return stm.fit(features, labels, weights, n_labels=len(task.labels))


def dynamics_of(alone: Mapping[str, Fit], rows_of: Mapping[str, IntArray], labels: IntArray) -> dict[str, FloatArray]:
    """Put the training dynamics of each PLM's own STM side by side, a row a sample."""
    columns = {name: np.empty(len(labels)) for name in ("confidence", "variability", "correctness")}
    for plm, rows in rows_of.items():
        probabilities = alone[plm].epoch_probabilities
        own = training_dynamics(probabilities, labels[rows])
        for name in ("confidence", "variability", "correctness"):
            columns[name][rows] = getattr(own, name)
        epochs = columns.setdefault("epoch_probabilities", np.empty((len(labels), len(probabilities))))
        epochs[rows] = probabilities[:, np.arange(len(rows)), labels[rows]].T
    return columns
