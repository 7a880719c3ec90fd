"""HTTP/1.1 as far as JSON clients speak it: keep-alive, Content-Length, one answer at a time a connection."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, cast

_MOST_HEAD = 65_536
_MOST_BODY = 64 * 2**20
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request with its body. Header names are lower case; ``query`` is what follows the question mark."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


@dataclass(slots=True)
class Reply:
    """What to answer after ``delay`` seconds, and how that ends.

    ``finished`` is called once, just before the bytes go out or when the client has gone, with whether the whole
    answer goes out.
    """

    status: int
    body: bytes = b""
    kind: str = "application/json"
    retry_after: str | None = None
    delay: float = 0.0
    ending: Literal["whole", "cut", "drop", "hang"] = "whole"
    finished: Callable[[bool], None] | None = None


class _MalformedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One TCP connection; ``answer`` must not raise. It is in ``open_ones`` while it is open."""

    def __init__(self, answer: Callable[[Incoming], Reply], open_ones: "set[Connection]") -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._buffer = bytearray()
        self._head: Incoming | None = None
        self._body_size = 0
        self._reply: Reply | None = None
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the open connections."""
        self._transport = cast(asyncio.Transport, transport)
        self._open_ones.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Give up the answer that was due."""
        self._open_ones.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._reply is not None:
            self._finish(self._reply, whole=False)

    def data_received(self, data: bytes) -> None:
        """Answer what has arrived in full."""
        self._buffer += data
        self._advance()

    def abort(self) -> None:
        """Close at once, whatever is still due."""
        self._transport.abort()

    def _advance(self) -> None:
        while self._reply is None and not self._transport.is_closing():
            try:
                incoming = self._next_request()
            except _MalformedError as error:
                self._keep_alive = False
                self._reply = Reply(error.status)
                self._send()
                return
            if incoming is None:
                return
            self._keep_alive = incoming.keep_alive
            self._reply = reply = self._answer(incoming)
            if reply.ending == "hang":
                return
            if reply.delay > 0:
                self._timer = asyncio.get_running_loop().call_later(reply.delay, self._send_late)
            else:
                self._send()

    def _next_request(self) -> Incoming | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 and len(self._buffer) <= _MOST_HEAD:
                return None
            if not 0 <= end <= _MOST_HEAD:
                raise _MalformedError(431)
            self._head = _read_head(self._buffer[:end].decode("latin-1"))
            self._body_size = _body_size(self._head.headers)
            del self._buffer[: end + 4]
            if self._head.headers.get("expect", "").lower() == "100-continue" and len(self._buffer) < self._body_size:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, size = self._head, self._body_size
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._head = None
        return Incoming(head.method, head.path, head.query, head.headers, body, head.keep_alive)

    def _send_late(self) -> None:
        self._timer = None
        self._send()
        self._advance()

    def _send(self) -> None:
        reply = self._reply
        assert reply is not None
        self._finish(reply, whole=reply.ending == "whole")
        if reply.ending != "drop":
            body = reply.body if reply.ending == "whole" else reply.body[: len(reply.body) // 2]
            self._transport.write(self._write_head(reply) + body)
        if reply.ending != "whole" or not self._keep_alive:
            self._transport.close()

    def _write_head(self, reply: Reply) -> bytes:
        head = (
            f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}\r\n"
            f"Content-Type: {reply.kind}\r\nContent-Length: {len(reply.body)}\r\n"
        )
        if reply.retry_after is not None:
            head += f"Retry-After: {reply.retry_after}\r\n"
        if not self._keep_alive:
            head += "Connection: close\r\n"
        return f"{head}\r\n".encode("latin-1")

    def _finish(self, reply: Reply, *, whole: bool) -> None:
        self._reply = None
        if reply.finished is not None:
            reply.finished(whole)


def _read_head(text: str) -> Incoming:
    first, *lines = text.lstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise _MalformedError(400)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise _MalformedError(400)
        headers[name.lower()] = value.strip()
    path, _, query = parts[1].partition("?")
    wish = headers.get("connection", "").lower()
    keep_alive = wish != "close" if parts[2] == "HTTP/1.1" else wish == "keep-alive"
    return Incoming(parts[0], path, query, headers, b"", keep_alive)


def _body_size(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise _MalformedError(411)
    stated = headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()):
        raise _MalformedError(400)
    if len(stated) > 12 or int(stated) > _MOST_BODY:
        raise _MalformedError(413)
    return int(stated)
