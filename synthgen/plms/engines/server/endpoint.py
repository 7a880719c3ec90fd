"""One address of a server: kept connections and how busy they are."""

import json
import ssl
from asyncio import timeout as at_most
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2

CONNECT = 15.0
"""Seconds to wait for a connection."""


class Endpoint:
    """Sends requests to ``url`` with ``headers``; belongs to one event loop. A request may take ``timeout`` seconds.

    ``open`` counts requests under way; until ``down_until`` (the loop's time) the address counts as down.
    """

    def __init__(self, url: str, headers: dict[str, str], *, timeout: float) -> None:
        self.url = url
        self.open = 0
        self.down_until = 0.0
        self._headers = {"Content-Type": "application/json", **headers}
        self._timeout = timeout
        self._clients: list[httpx2.AsyncClient] = []
        self._idle: list[httpx2.AsyncClient] = []

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes, str | None]:
        """Return status, body and the Retry-After header of the answer. Raises ``httpx2.RequestError``."""
        # Half a character, which no encoding can write, is sent as a question mark.
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        client = self._idle.pop() if self._idle else self._connected()
        self.open += 1
        try:
            async with at_most(self._timeout):
                response = await client.post(_parsed(self.url + path), content=content)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no answer within {self._timeout:g} s") from None
        finally:
            self.open -= 1
            self._idle.append(client)
        return response.status_code, response.content, response.headers.get("retry-after")

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.aclose()

    def _connected(self) -> httpx2.AsyncClient:
        # A client looks through all of its connections at every request, so each has only one.
        client = httpx2.AsyncClient(
            headers=self._headers,
            timeout=httpx2.Timeout(None, connect=CONNECT),
            limits=httpx2.Limits(max_connections=1),
            trust_env=proxied(self.url),
            verify=_trusted(),
        )
        self._clients.append(client)
        return client


def proxied(url: str) -> bool:
    """Tell whether the environment's proxies are meant for ``url``: never for this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return not (host == "localhost" or host.endswith(".localhost"))


@cache
def _trusted() -> ssl.SSLContext:
    # One for all: making one reads every certificate.
    return httpx2.create_ssl_context()


@cache
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)
