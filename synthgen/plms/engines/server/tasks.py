"""Tasks on an event loop that stands still unless someone waits for them."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Tasks(Generic[Result]):
    """Runs coroutines side by side, only while ``done`` or ``close`` is under way: between calls nothing is sent.

    The loop has a thread of its own: a notebook's thread has a running loop already. Its clock stands still with it,
    so that nobody's time runs out meanwhile.
    """

    def __init__(self) -> None:
        self._behind = 0.0
        self._stopped: float | None = monotonic()
        self._loop = asyncio.new_event_loop()
        self._loop.time = self.time  # type: ignore[method-assign]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="server-engine")
        self._arrived: asyncio.Queue[asyncio.Task[Result] | None] = asyncio.Queue()
        self._open: set[asyncio.Task[Result]] = set()

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return (monotonic() if self._stopped is None else self._stopped) - self._behind

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Take on a coroutine."""
        task = self._loop.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._arrived.put_nowait)
        return task

    def done(self, until: float | None = None) -> list[asyncio.Task[Result]]:
        """Run until a task is done, ``wake`` is called, or it is ``until`` (``time``); return those done by then."""
        found = [self._run(self._next(until))]
        while not self._arrived.empty():
            found.append(self._arrived.get_nowait())
        tasks = [task for task in found if task is not None]
        self._open.difference_update(tasks)
        return tasks

    def wake(self) -> None:
        """Make ``done`` return; any thread may."""
        with suppress(RuntimeError):  # closed in between
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, None)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what is open, run ``last``, and end loop and thread."""
        # An interrupt may have left the thread waiting for a task.
        self.wake()
        self._run(self._put_away(last))
        self._loop.close()
        self._thread.shutdown()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._stopped is not None:
            self._behind += monotonic() - self._stopped
            self._stopped = None
        try:
            try:
                running = self._thread.submit(self._loop.run_until_complete, work)
            except RuntimeError:  # the interpreter ends, and no thread takes work any more
                return self._loop.run_until_complete(work)
            return running.result()
        finally:
            self._stopped = monotonic()

    async def _next(self, until: float | None) -> asyncio.Task[Result] | None:
        try:
            async with asyncio.timeout_at(until):
                return await self._arrived.get()
        except TimeoutError:
            return None

    async def _put_away(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await last()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
