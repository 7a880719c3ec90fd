"""The engine over OpenAI-compatible servers."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from synthgen.errors import SynthgenError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.client import Client, GoneError
from synthgen.plms.engines.server.dialect import Dialect
from synthgen.plms.engines.server.endpoint import Endpoint
from synthgen.plms.engines.server.keys import authorization
from synthgen.plms.engines.server.patience import Patience
from synthgen.plms.engines.server.tasks import Tasks
from synthgen.records import Completion, Request

REVIVALS = 3
"""How often in a row a server of ours is started again without a single answer between."""
LINGER = 2.0
"""Seconds that open requests have to come in after one has failed for good: they may have cost much."""


class ServerEngine:
    """Keeps as many requests of ``plm`` open as its servers take, and yields completions as they come.

    No request is sent before the completions that came are taken: whoever takes them can keep them first. ``model`` is
    what the servers call the PLM's model, where that is not its own name. Where the server is the caller's own,
    ``alive`` tells whether it runs and ``revive`` starts it again and returns its address.
    """

    def __init__(
        self,
        plm: PLM,
        urls: Sequence[str],
        *,
        note: Callable[[str], None],
        model: str | None = None,
        patience: Patience | None = None,
        alive: Callable[[], bool] | None = None,
        revive: Callable[[], str] | None = None,
    ) -> None:
        self._plm = plm
        self._urls = list(urls)
        self._model = model or plm.model
        self._note = note
        self._patience = patience or Patience()
        self._alive = alive
        self._revive = revive
        self._closed = False
        self._working: Tasks[list[Completion]] | None = None
        self._said: set[str] = set()
        self._drops: dict[str, int] = {}
        self._dialect = Dialect(chat=plm.chat, chat_may_change=plm.serving.chat is None)

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group requests that differ in their seeds alone: one each, or as many as one HTTP request is for (``n``).

        Requests that share a prompt, and so the server's cache of it, stand together.
        """
        size = self._plm.choices
        if size == 1:
            return [[request] for request in sorted(requests, key=lambda request: (request.prompt, request.id))]
        ordered = sorted(requests, key=lambda request: (request.prompt, str(request.sampling), request.id))
        found = []
        for _, same in groupby(ordered, key=lambda request: (request.prompt, request.sampling)):
            group = list(same)
            found += [group[start : start + size] for start in range(0, len(group), size)]
        return found

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield one completion a request, in the order in which they come.

        Raises ``SynthgenError`` where a server stays away or keeps failing, ``UserError`` where it will never answer.
        """
        waiting = deque(self.batches(requests))
        deaths = 0
        while waiting:
            came = False
            for completion in self._until_gone(waiting):
                came = True
                yield completion
            if waiting:
                deaths = 1 if came else deaths + 1
                if self._revive is None or deaths > REVIVALS:
                    raise SynthgenError(f"The server of {self._plm.name} keeps dying; its log says why.")
                self._go_on()
                self._note(f"The server of {self._plm.name} died; it is started again.")
                self._urls = [self._revive()]

    def close(self) -> None:
        """End a ``generate`` that is under way in another thread. The servers are someone else's."""
        self._closed = True
        working = self._working
        if working is not None:
            working.wake()

    def _until_gone(self, waiting: deque[list[Request]]) -> Iterator[Completion]:
        """Work ``waiting`` off; where our server dies, return with the unanswered batches back in it."""
        client = self._client()
        tasks = self._working = Tasks[list[Completion]]()
        asked: dict[asyncio.Task[list[Completion]], list[Request]] = {}
        gone: list[list[Request]] = []
        failure: BaseException | None = None
        until: float | None = None
        try:
            while asked or (waiting and not gone and failure is None):
                self._go_on()
                while waiting and not gone and failure is None and len(asked) < client.window.limit:
                    batch = waiting.popleft()
                    asked[tasks.start(client.ask(batch))] = batch
                if not (done := tasks.done(until)) and until is not None:
                    break
                for task in done:
                    batch = asked.pop(task)
                    error = task.exception()
                    if isinstance(error, GoneError):
                        gone.append(batch)
                    elif error is not None:
                        failure = failure or error
                        until = until or tasks.time() + LINGER
                    else:
                        yield from task.result()
            if failure is not None:
                raise failure
            if gone:
                self._go_on()
                waiting.extendleft(reversed(gone))
        finally:
            self._working = None
            tasks.close(client.close)

    def _go_on(self) -> None:
        if self._closed:
            raise SynthgenError(f"{self._plm.name} was stopped at its work; go on with --resume.")

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._note(sentence)

    def _client(self) -> Client:
        name, serving = self._plm.name, self._plm.serving
        return Client(
            name,
            self._model,
            [Endpoint(url, authorization(name, url), timeout=serving.timeout) for url in self._urls],
            dialect=self._dialect,
            drops=self._drops,
            in_flight=serving.in_flight,
            patience=self._patience,
            note=self._say,
            alive=self._alive,
        )
