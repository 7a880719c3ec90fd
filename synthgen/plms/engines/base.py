"""The seam every engine passes."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from synthgen.records import Completion, Request


class Engine(Protocol):
    """Runs one PLM. A completion depends on its request and on the batch it is in, on nothing else."""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group requests into the batches ``generate`` runs: the unit of replay.

        Every request is in exactly one batch, and grouping what remains after whole batches are taken away gives the
        remaining batches unchanged.
        """

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield one completion a request as they come, in any order; closing the iterator stops the work."""

    def close(self) -> None:
        """Give back memory and processes; the engine is not used again."""


@runtime_checkable
class Sleeper(Protocol):
    """An engine that can give back its GPU memory and come back faster than by loading anew."""

    def sleep(self) -> bool:
        """Move the weights to the host's memory; False where that is not possible, and nothing has changed."""

    def wake(self) -> bool:
        """Come back; False where the engine has to be opened anew."""
