"""A Hub in miniature over real HTTP, as huggingface_hub and datasets ask one; it fails on demand."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hub_api import Api, Refusal


@dataclass
class Fault:
    """Refuse the next ``times`` requests that match: with ``status``, or by cutting the connection.

    ``cut`` says when: ``body`` after the first bytes of the request, ``answer`` after all was done but the answer.
    ``then`` is called instead of the first fault, and the request served.
    """

    match: str
    status: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    says: str = "on demand"
    cut: str = ""
    then: Callable[[], None] | None = None


class Hub(Api):
    """The server's state: ``asked`` lists requests as ``METHOD path``."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.lock = threading.RLock()

    def count(self, match: str) -> int:
        return sum(bool(re.search(match, line)) for line in self.asked)

    def commits(self, repo: str, branch: str = "main") -> list[Any]:
        """Return what was committed after the initial commit."""
        return self.store.repos[repo].branches[branch][1:]


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve a new Hub on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answers,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    hub: Hub
    headers: Message

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        line = f"{self.command} {self.path}"
        self.hub.asked.append(line)
        fault = next((one for one in self.hub.faults if one.times and re.search(one.match, line)), None)
        if fault:
            fault.times -= 1
            if fault.cut == "body":
                self.rfile.read(min(1000, int(self.headers.get("Content-Length") or 0)))
                self._hang_up()
                return
        body = self._body()
        if fault and fault.then:
            fault.then()
        elif fault and fault.status:
            self._send(fault.status, json.dumps({"error": fault.says}).encode(), fault.headers)
            return
        try:
            with self.hub.lock:
                status, answer, headers = self.hub.answer(self.path, self.headers, body)
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.says} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            status, answer = refusal.status, json.dumps({"error": refusal.says}).encode()
        if fault and fault.cut == "answer":
            self._hang_up()
            return
        self._send(status, answer, headers)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
