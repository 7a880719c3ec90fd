"""What a run tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias

Stage = Literal["generate", "curate", "learn", "select", "evaluate", "write"]


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence a user should read."""

    message: str


@dataclass(frozen=True, slots=True)
class RunOpened:
    """The run is written to ``path`` from now on."""

    path: Path


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """Round ``round`` of ``rounds`` feedback rounds begins and asks for ``samples`` samples."""

    round: int
    rounds: int
    samples: int


@dataclass(frozen=True, slots=True)
class Loading:
    """``plm`` is being loaded through ``engine``, for ``seconds`` so far."""

    plm: str
    engine: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Generated:
    """A batch of ``plm`` came back. In this round so far: samples ``accepted`` of ``asked``, texts ``rejected``,
    completions ``waiting`` to be judged; ``tokens`` are those of this batch, none where it was known already.
    """

    plm: str
    asked: int
    accepted: int
    rejected: int
    waiting: int
    tokens: int


@dataclass(frozen=True, slots=True)
class StageStarted:
    """The run turns to another stage of the round."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """Round ``round`` is done; there are ``samples`` samples so far."""

    round: int
    samples: int


Event: TypeAlias = Note | RunOpened | RoundStarted | Loading | Generated | StageStarted | RoundEnded
Observer: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Watch nothing."""


def one_at_a_time(observe: Observer) -> Observer:
    """Return an observer for several threads: it is told of one event after the other."""
    lock = Lock()

    def told(event: Event) -> None:
        with lock:
            observe(event)

    return told
