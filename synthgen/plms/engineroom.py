"""Holds a run's engines: each is opened when first asked for, kept while its turn lasts, put away after."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from synthgen.errors import SynthgenError
from synthgen.events import Loading, Note, Observer
from synthgen.plms.arrange import Arrangement, loads_nothing
from synthgen.plms.engines import ENGINES, open_engine
from synthgen.plms.engines.base import Engine, Sleeper
from synthgen.plms.engines.vllm.flags import Slot

ELSEWHERE = {"server", "vllm", *(name for name, row in ENGINES.items() if row.inner)}
"""Engines that work outside this process, so that several can write at the same time."""


class EngineRoom:
    """The engines of an arrangement; ``loads`` counts how often each PLM was loaded, not how often its server
    was started again because it had died.

    Use it as a context manager: leaving it closes everything. ``logs`` is the folder for the logs of our own servers.
    """

    def __init__(self, arrangement: Arrangement, *, logs: Path, observe: Observer) -> None:
        self._arrangement = arrangement
        self._logs = logs
        self._observe = observe
        self._plms = {plm.name: plm for plm in arrangement.plms}
        self._open: dict[str, Engine] = {}
        self._asleep: set[str] = set()
        slots = [slot for group in arrangement.groups for slot in group.slots.values()]
        self._opening = {gpu: threading.Lock() for slot in slots for gpu in slot.gpus}
        self._closed = False
        self.loads: Counter[str] = Counter()

    def __enter__(self) -> "EngineRoom":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def turns(self) -> Iterator[list[str]]:
        """Yield the PLMs that are up together, turn after turn; a turn's engines are put away when it is over."""
        for group in self._arrangement.groups:
            yield list(group.slots)
            if len(self._arrangement.groups) > 1:
                for name in group.slots:
                    self._put_away(name)

    def parallel(self, plms: Sequence[str]) -> list[str]:
        """Return those PLMs that can write at the same time, where there are two or more."""
        found = [name for name in plms if self._arrangement.chosen[name].engine in ELSEWHERE]
        return found if len(found) > 1 else []

    def engine(self, name: str) -> Engine:
        """Return the open engine of a PLM; one thread a PLM may ask.

        On one GPU one is opened at a time: each measures the memory that is left. Raises ``SynthgenError`` once the
        room is closed.
        """
        with ExitStack() as held:
            for gpu in self._slot(name).gpus:  # in ascending order, so that no two wait for each other
                held.enter_context(self._opening[gpu])
            if name in self._asleep:
                self._wake(name)
            if name not in self._open:
                self._open[name] = self._opened(name)
            if self._closed:
                # It was closed behind the back of an engine that was still being opened.
                self.close()
                raise SynthgenError(f"{name} was not needed any more when it was ready.")
            return self._open[name]

    def close(self) -> None:
        """Close every engine, at once: an engine that is at work stops, one that is being opened gives up.

        Where one cannot be closed the others are, before it raises.
        """
        self._closed = True
        with ExitStack() as closing:
            for name in list(self._open):
                if engine := self._open.pop(name, None):
                    closing.callback(engine.close)
        self._asleep.clear()

    def _opened(self, name: str) -> Engine:
        choice = self._arrangement.chosen[name]

        def tell(seconds: float) -> None:
            if self._closed:
                raise SynthgenError(f"{name} was not needed any more while it was loading.")
            self._observe(Loading(name, choice.engine, seconds))

        tell(0.0)
        engine = open_engine(
            self._plms[name],
            choice.engine,
            note=lambda sentence: self._observe(Note(sentence)),
            slot=self._slot(name),
            log=self._logs / f"{name}.log",
            tell=tell,
        )
        if not loads_nothing(choice.engine):
            self.loads[name] += 1
        return engine

    def _slot(self, name: str) -> Slot:
        return next(group.slots[name] for group in self._arrangement.groups if name in group.slots)

    def _put_away(self, name: str) -> None:
        engine = self._open.get(name)
        if engine is None or name in self._asleep:
            return
        if self._plms[name].serving.keep_warm and isinstance(engine, Sleeper) and engine.sleep():
            self._asleep.add(name)
            return
        self._open.pop(name).close()

    def _wake(self, name: str) -> None:
        self._asleep.discard(name)
        engine = self._open[name]
        if isinstance(engine, Sleeper) and not engine.wake():
            self._open.pop(name).close()
