"""The seam every engine passes."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from synthgen.records import Completion, Request


class Engine(Protocol):
    """Runs one PLM. A completion depends on its request and on the batch it is in, on nothing else."""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group requests into the batches ``generate`` runs: the unit of replay.

        Every request is in exactly one batch, and grouping what remains after whole batches are taken away gives the
        remaining batches unchanged.
        """

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield one completion a request as batches finish, in any order of requests."""

    def close(self) -> None:
        """Give back memory and processes; the engine is not used again."""
