"""The parts every method fills in: plan, learn, select, weigh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from synthgen.downstream.stm import Fit, FloatArray
from synthgen.records import Sample
from synthgen.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A sample chosen to be shown, with the scores it was chosen by."""

    sample: Sample
    scores: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round asks for: ``quotas[plm][label]`` samples, with ``prompts[label]`` in turn.

    ``shown`` are the texts in those prompts, so that copies of them can be told. ``own`` are the prompts of a PLM that
    differ from those of the others: ``own[plm][label]``. With ``zero_shot`` prompts show nothing, so that a pool may
    stand in for what the PLMs would write. ``contexts`` is how many of the task's contexts each PLM first writes, to be
    asked about in turn; 0 for none.
    """

    quotas: Mapping[str, Mapping[str, int]]
    prompts: Mapping[str, Sequence[str]]
    shown: Sequence[str] = ()
    own: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    zero_shot: bool = False
    contexts: int = 0


def zero_shot(task: Task, quotas: Mapping[str, Mapping[str, int]], *, contexts: int = 0) -> Plan:
    """Ask every PLM for its quota with the task's zero-shot prompts."""
    return Plan(quotas, {label: [task.zero_shot(label)] for label in task.labels}, zero_shot=True, contexts=contexts)


@dataclass(slots=True)
class Learned:
    """What a round's STMs say. ``fit`` is trained on the union, ``by_plm`` on each PLM's samples alone, all in the
    feature space that the STM starts on the texts of the samples so far.

    ``dynamics`` are the columns of ``dynamics.parquet``, a value a sample, in the order of the samples. ``scores`` is
    the method's own, for its ``select``.
    """

    fit: Fit
    by_plm: dict[str, Fit]
    dynamics: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    scores: Any = None


class Weighed(NamedTuple):
    """The final ``weights`` (n,), mean 1 over the dataset, and the final STM, trained with them.

    A sample of weight 0 is not in the dataset. ``notes`` are what a user should hear of the weights.
    """

    weights: FloatArray
    fit: Fit
    notes: Sequence[str] = ()


class Method(Protocol):
    """One way round the loop. Nothing here sees gold data."""

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Say what the PLMs write in this round."""

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train the STMs on all samples so far."""

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Pick what the next round's prompts show."""

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Weigh the samples of all rounds, and train the final STM."""

    def example(self, label: str) -> str:
        """Return a prompt as later rounds send it, with placeholders for what the run will choose."""


class PrivateMethod(Method, Protocol):
    """A method in which private samples take part."""

    def outlook(self) -> dict[str, Any]:
        """Return what the privacy budget buys, for a plan. It may tell of the private samples' number."""
