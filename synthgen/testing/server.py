"""A local server that speaks the OpenAI API, writes what a script says, and fails where it is told to.

As a process of its own: ``python -m synthgen.testing.server --model mine``; its URL is the first line it prints.
"""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from synthgen.plms.engines.scripted import Script, default_script
from synthgen.testing.answers import RefusalError, error_object
from synthgen.testing.faults import GARBAGE, PAGE, Fault, FaultPlan, encode, spoil
from synthgen.testing.model import ScriptedModel
from synthgen.testing.wire import Connection, Incoming, Reply

_HOST = "127.0.0.1"
_BACKLOG = 1024
_ERRORS = {"429": 429, "500": 500, "503": 503}
_COMPLETIONS = {"/v1/completions": False, "/v1/chat/completions": True}


class ScriptedServer:
    """Serve ``models`` on 127.0.0.1 in a thread of its own, from ``with`` to the end of the block.

    ``script`` gets a ``Request`` for every choice: its seed is the request's plus the choice's index, its id a hash of
    model, prompt and seed, its label ``label`` or what ``label`` makes of the prompt. Requests without a seed have
    ``seed``. The script runs in the server's only thread, so a slow one holds up all; to be slow, give ``latency``
    (seconds before every completion). Tokens are words.

    ``answered`` counts completions that went out whole with status 200, spoiled bodies too; ``peak_in_flight`` the
    most that were open at once, refused ones too; ``connections`` the TCP connections accepted. ``last_headers`` are
    those of the last request of any kind, names in lower case.

    Without latency a completion is answered the moment it has arrived, and no two are ever open at once. Of those that
    would be more than ``max_in_flight`` each gets 429. With ``api_key``, everything under /v1 needs it, and the 401
    repeats the wrong key. ``record=False`` keeps no bodies. Entering raises ``OSError`` where the port is taken.
    """

    def __init__(
        self,
        *,
        models: Iterable[str] = ("mine",),
        script: Script = default_script,
        label: str | Callable[[str], str] = "",
        faults: Iterable[Fault] = (),
        max_model_len: int | None = None,
        max_in_flight: int | None = None,
        latency: float = 0.0,
        seed: int = 0,
        api_key: str | None = None,
        record: bool = True,
        port: int = 0,
    ) -> None:
        self.answered = 0
        self.peak_in_flight = 0
        self.connections = 0
        self.last_headers: dict[str, str] = {}
        names = (models,) if isinstance(models, str) else tuple(models)
        self._model = ScriptedModel(names, script, label, seed, max_model_len)
        self._faults = FaultPlan()
        for fault in faults:
            self._faults.add(fault)
        self._max_in_flight = max_in_flight
        self._latency = latency
        self._api_key = api_key
        self._record = record
        self._port = port
        self._seen: list[dict[str, Any]] = []
        self._in_flight = 0
        self._arrived = 0
        self._open: set[Connection] = set()
        self._stop: Callable[[], object] = lambda: None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        listener = socket.create_server((_HOST, self._port), backlog=_BACKLOG)
        self._port = listener.getsockname()[1]
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, started)),
            name=f"scripted-server-{self._port}",
            daemon=True,
        )
        self._thread.start()
        started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._thread is not None:
            self._thread.join()

    @property
    def url(self) -> str:
        """The base URL for OpenAI clients, with /v1."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """The URL without /v1, where /health, /tokenize, /sleep, /wake_up, /is_sleeping and /counts are."""
        return f"http://{_HOST}:{self._port}"

    @property
    def seen(self) -> list[dict[str, Any]]:
        """The bodies of completion requests so far, refused and spoiled ones too, in the order of arrival."""
        return list(self._seen)

    def add_fault(self, fault: Fault) -> None:
        """Put a fault in force from the next arrival on; any thread may."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """End all faults for requests still to come; any thread may."""
        self._faults.clear()

    async def _serve(self, listener: socket.socket, started: threading.Event) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(self._connect, sock=listener, backlog=_BACKLOG)
        self._stop = lambda: None if loop.is_closed() else loop.call_soon_threadsafe(stop.set)
        started.set()
        await stop.wait()
        server.close()
        while self._open:
            for connection in list(self._open):
                connection.abort()
            await asyncio.sleep(0)

    def _connect(self) -> Connection:
        self.connections += 1
        return Connection(self._answer, self._open)

    def _answer(self, incoming: Incoming) -> Reply:
        self.last_headers = incoming.headers
        try:
            if incoming.path.startswith("/v1/"):
                self._check_key(incoming.headers.get("authorization"))
            chat = _COMPLETIONS.get(incoming.path)
            if chat is not None and incoming.method == "POST":
                return self._completion(_read_json(incoming.body), chat=chat)
            return self._other(incoming)
        except RefusalError as refusal:
            return _refuse(refusal)

    def _check_key(self, given: str | None) -> None:
        if self._api_key is None or given == f"Bearer {self._api_key}":
            return
        if not given:
            raise RefusalError(401, "No API key was given; it goes into the header Authorization: Bearer KEY.")
        raise RefusalError(401, f"Incorrect API key provided: {given.removeprefix('Bearer ')}.")

    def _completion(self, body: dict[str, Any], *, chat: bool) -> Reply:
        self._arrived += 1
        if self._record:
            self._seen.append(body)
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        if self._max_in_flight is not None and self._in_flight > self._max_in_flight:
            reply = _refuse(RefusalError(429, f"More than {self._max_in_flight} requests at once."))
        else:
            extra, fault = self._faults.draw()
            reply = self._struck(body, chat, fault)
            reply.delay = self._latency + extra
        good = reply.status == 200

        def finished(whole: bool) -> None:
            self._in_flight -= 1
            if whole and good:
                self.answered += 1

        reply.finished = finished
        return reply

    def _struck(self, body: dict[str, Any], chat: bool, fault: Fault | None) -> Reply:
        kind = None if fault is None else fault.kind
        if fault is not None and (status := _ERRORS.get(fault.kind)):
            wait = fault.retry_after
            after = wait if wait is None or isinstance(wait, str) else f"{wait:g}"
            return Reply(status, encode(error_object(status, f"A fault on demand: {kind}.")), retry_after=after)
        if kind == "drop" or kind == "hang":
            return Reply(200, ending=kind)
        if kind == "garbage":
            return Reply(200, GARBAGE)
        if kind == "html":
            return Reply(200, PAGE, kind="text/html; charset=utf-8")
        try:
            answer = self._model.answer(body, chat=chat, number=self._arrived)
        except RefusalError as refusal:
            return _refuse(refusal)
        return Reply(
            200, encode(answer) if kind is None else spoil(kind, answer), ending="cut" if kind == "cut" else "whole"
        )

    def _other(self, incoming: Incoming) -> Reply:
        routes: dict[str, tuple[str, Callable[[Incoming], Reply]]] = {
            "/health": ("GET", lambda _: Reply(200)),
            "/v1/models": ("GET", lambda _: Reply(200, encode(self._model.listing()))),
            "/is_sleeping": ("GET", lambda _: Reply(200, encode({"is_sleeping": self._model.asleep}))),
            "/counts": ("GET", self._counts),
            "/sleep": ("POST", self._sleep),
            "/wake_up": ("POST", self._wake_up),
            "/tokenize": ("POST", self._tokenize),
        }
        method, answer = routes.get(incoming.path, ("POST" if incoming.path in _COMPLETIONS else "", None))
        if method == "":
            raise RefusalError(404, f"There is nothing at {incoming.path}.")
        if answer is None or incoming.method != method:
            raise RefusalError(405, f"{incoming.path} takes {method} only.")
        return answer(incoming)

    def _counts(self, incoming: Incoming) -> Reply:
        names = ("answered", "peak_in_flight", "connections")
        return Reply(200, encode({name: getattr(self, name) for name in names}))

    def _sleep(self, incoming: Incoming) -> Reply:
        level = parse_qs(incoming.query).get("level", ["1"])[0]
        if level not in {"0", "1", "2"}:
            raise RefusalError(400, "level must be 0, 1 or 2.", "level")
        self._model.sleep()
        return Reply(200)

    def _wake_up(self, incoming: Incoming) -> Reply:
        self._model.asleep = False
        return Reply(200)

    def _tokenize(self, incoming: Incoming) -> Reply:
        return Reply(200, encode(self._model.tokenize(_read_json(incoming.body))))


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusalError(400, "The body is no JSON.") from None
    if not isinstance(read, dict):
        raise RefusalError(400, "The body must be a JSON object.")
    return read


def _refuse(refusal: RefusalError) -> Reply:
    return Reply(refusal.status, encode(error_object(refusal.status, str(refusal), refusal.param)))


if __name__ == "__main__":
    from synthgen.testing.process import main

    main(sys.argv[1:])
