"""What a recipe's names stand for, and what a run has gathered so far."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from time import perf_counter

from synthgen.downstream.stm import STM, Fit
from synthgen.methods.base import Method
from synthgen.plms.arrange import Arrangement
from synthgen.pool import Pool
from synthgen.privacy.vault import Vault
from synthgen.runs.rounds import RoundWriter
from synthgen.samples import Samples
from synthgen.tasks.gold import Sealed
from synthgen.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Parts:
    """What a recipe's names stand for, resolved and checked.

    ``notes`` tell of the private samples: they are for their owner's eyes and no file. ``gold`` is opened when the last
    choice is made, and not before. ``first_sentences`` are given to PLMs where a task of pairs has some; without
    them PLMs write their own.
    """

    task: Task
    arrangement: Arrangement
    stm: STM
    method: Method
    gold: Sealed | None
    vault: Vault | None = None
    notes: tuple[str, ...] = ()
    pool: Pool | None = None
    first_sentences: tuple[str, ...] | None = None


@dataclass(slots=True)
class Progress:
    """What a run has gathered so far.

    ``labels`` counts the samples, ``said`` are the notes of the rounds. ``fits`` are the STMs on all samples of each
    round, with the number of those samples, ``by_plm`` those on each PLM's samples after the last: they are kept to be
    scored at the end.
    """

    samples: Samples = field(default_factory=Samples)
    labels: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    fits: list[tuple[int, Fit]] = field(default_factory=list)
    by_plm: dict[str, Fit] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    since: float = field(default_factory=perf_counter)

    def count_time(self) -> None:
        """Add what went by since the last call, or since the start, to the ``total`` of the seconds."""
        now = perf_counter()
        self.seconds["total"] += now - self.since
        self.since = now

    def add(self, written: RoundWriter) -> None:
        """Take in a round's texts, which are on disk by now."""
        self.samples.add(written.samples)
        self.labels += written.labels
        self.rejected += written.reasons
