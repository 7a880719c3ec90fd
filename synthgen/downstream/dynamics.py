"""What training tells about a sample: its dynamics within one STM, and how much several STMs disagree on it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from synthgen.downstream.stm import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Dataset cartography (Swayamdipta et al. 2020) of ``n`` samples, each array of shape ``(n,)``.

    Of the assigned label's probability over the epochs: ``confidence`` its mean, ``variability`` its standard deviation
    (ddof 0), ``correctness`` the share of epochs in which the label was the most probable one.
    """

    confidence: FloatArray
    variability: FloatArray
    correctness: FloatArray


@dataclass(frozen=True, slots=True)
class CrossModel:
    """Mean and standard deviation (ddof 1) over K STMs of the assigned label's probability, shapes ``(n,)``."""

    confidence: FloatArray
    variability: FloatArray


def training_dynamics(epoch_probabilities: FloatArray, labels: IntArray) -> Dynamics:
    """Summarise ``(epochs, n, C)`` probabilities for ``(n,)`` label ids."""
    of_label = _of_label(epoch_probabilities, labels)
    correct = epoch_probabilities.argmax(axis=2) == labels
    return Dynamics(of_label.mean(axis=0), of_label.std(axis=0), correct.mean(axis=0))


def cross_model(probabilities: Iterable[FloatArray], labels: IntArray) -> CrossModel:
    """Summarise the ``(n, C)`` probabilities of K models. Raises ``ValueError`` for K < 2.

    FuseGen's selection signal. One model has no spread over models: use its training dynamics instead. Of each model
    only the assigned labels' probabilities are kept, so that models may come one after the other.
    """
    rows = np.arange(len(labels))
    of_label = [one[rows, labels] for one in probabilities]
    if len(of_label) < 2:
        raise ValueError("cross-model variability needs two models; use training dynamics for one")
    # A sample's K numbers side by side: in which order they are added up depends on that.
    beside = np.stack(of_label, axis=1).T
    return CrossModel(beside.mean(axis=0), beside.std(axis=0, ddof=1))


def _of_label(probabilities: FloatArray, labels: IntArray) -> FloatArray:
    return probabilities[:, np.arange(len(labels)), labels]
