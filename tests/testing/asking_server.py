"""A small HTTP client for the tests of the scripted server: the standard library's, one connection."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from synthgen.testing import ScriptedServer

ASK = {"model": "mine", "prompt": "A review reads:", "max_tokens": 50, "seed": 7}
CHAT = {"model": "mine", "messages": [{"role": "user", "content": "A review reads:"}], "max_tokens": 50, "seed": 7}
COMPLETIONS = "/v1/completions"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        choice = self.json["choices"][0]
        return str(choice["message"]["content"] if "message" in choice else choice["text"])


class Client:
    def __init__(self, server: ScriptedServer | str) -> None:
        url = server if isinstance(server, str) else server.url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request(method, path, data, headers or {})

    def receive(self) -> Answer:
        with self._connection.getresponse() as response:
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        self.send("GET", path, None, headers)
        return self.receive()

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        self.send("POST", path, body, headers)
        return self.receive()

    def ask(self, **changes: Any) -> Answer:
        return self.post(COMPLETIONS, {**ASK, **changes})

    def close(self) -> None:
        self._connection.close()


@contextmanager
def client(server: ScriptedServer) -> Iterator[Client]:
    opened = Client(server)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[ScriptedServer, Client]]:
    with ScriptedServer(**settings) as server, client(server) as opened:
        yield server, opened


def wait_until(holds: Callable[[], bool]) -> None:
    """Give another thread the time it needs, within reason."""
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("waited for a minute in vain")
