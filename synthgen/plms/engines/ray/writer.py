"""A writer: an actor somewhere in the cluster that holds a PLM in an engine of its own."""

import sys
import threading
from collections.abc import Sequence
from math import inf
from time import monotonic, sleep
from typing import Any

import pyarrow as pa

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.ray.table import Answer, answered, batches_of
from synthgen.records import Request

PATIENCE = 600.0
"""Seconds that a batch waits for a writer where all are lost: others may take their place."""
PAUSE = 0.5
"""Seconds before the writers are asked again."""


class Writer:
    """Answers batches, one at a time, with the engine ``inner``; which is opened when it is first needed."""

    def __init__(self, plm: PLM, inner: str, threads: int) -> None:
        self._plm = plm
        self._inner = inner
        self._threads = threads
        self._engine: Engine | None = None
        self._notes: list[str] = []
        self._work = threading.Lock()

    def ready(self) -> None:
        """Load the PLM. Raises what opening its engine raises."""
        with self._work:
            self._opened()

    def batches(self, table: pa.Table) -> list[list[int]]:
        """Group the requests of a table of one batch as the engine does; return the positions of each group's."""
        with self._work:
            ((_, requests),) = batches_of(table)
            place = {request.id: number for number, request in enumerate(requests)}
            return [[place[request.id] for request in batch] for batch in self._opened().batches(requests)]

    def write(self, requests: Sequence[Request], *, wait: bool) -> Answer | None:
        """Return the completions of one batch; None where the writer is at work and the caller does not ``wait``."""
        if not self._work.acquire(blocking=wait):
            return None
        try:
            completions = list(self._opened().generate(requests))
            return Answer(completions, self._said())
        except UserError as error:
            return Answer(notes=self._said(), refused=str(error))
        except SynthgenError as error:
            return Answer(notes=self._said(), failed=str(error))
        finally:
            self._work.release()

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = open_engine(self._plm, self._inner, note=self._notes.append)
            if torch := sys.modules.get("torch"):
                torch.set_num_threads(self._threads)
        return self._engine

    def _said(self) -> list[str]:
        said = list(self._notes)
        self._notes.clear()
        return said


def ask(table: pa.Table, writers: Sequence[Any], plm: str) -> pa.Table:
    """Have the batches of ``table`` written: what Ray Data runs, anywhere in the cluster.

    Each batch goes to a writer that is free, or queues at one where none is. Where a writer's process or node is lost,
    another one takes the batch over: what a batch becomes does not depend on who writes it.
    """
    return answered([_asked(number, requests, list(writers), plm) for number, requests in batches_of(table)])


def _asked(number: int, requests: Sequence[Request], writers: list[Any], plm: str) -> Answer:
    import ray
    from ray.exceptions import ActorDiedError, RayActorError

    until = monotonic() + PATIENCE
    first = number % len(writers)
    writers = writers[first:] + writers[:first]
    while writers:
        for writer, wait in [*((writer, False) for writer in writers), (writers[0], True)]:
            try:
                answer: Answer | None = ray.get(writer.write.remote(requests, wait=wait))
            except ActorDiedError:  # for good, unlike its parent: somebody closed the engine
                writers = [other for other in writers if other != writer]
            except RayActorError:
                continue
            else:
                if answer is not None:
                    return answer
                until = inf  # it is at work: somebody is there
        until = min(until, monotonic() + PATIENCE)
        if monotonic() > until:
            return Answer(failed=f"The cluster has lost all that wrote for {plm}; go on with --resume.")
        writers = writers[1:] + writers[:1]
        sleep(PAUSE)
    return Answer(failed=f"{plm} was stopped at its work; go on with --resume.")
