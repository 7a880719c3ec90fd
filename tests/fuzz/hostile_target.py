"""What is fuzzed: something that is fed bytes, and may only succeed or say in one sentence what is wrong."""

import faulthandler
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from synthgen.errors import SynthgenError

SECONDS = 30.0
"""How long one input may take before it counts as a hang; the slowest sound ones take a tenth of a second."""


class HungError(BaseException):
    """No exception that something under test might swallow."""


@dataclass(frozen=True)
class Target:
    """``feed`` takes any bytes and asserts what must hold of what it made of them.

    ``seeds`` are sound inputs that are damaged, ``fields`` the names that mean something in them. ``million`` is the
    target's share of the slow suite's inputs, ``guided`` whether they are found by coverage.
    """

    name: str
    feed: Callable[[bytes], object]
    seeds: Sequence[bytes]
    fields: Sequence[str] = ()
    million: int = 10_000
    guided: bool = False

    def __call__(self, data: bytes) -> str | None:
        """Feed ``data``; return the sentence it was refused with, None where it was taken.

        Raises what only a fault raises: anything but a ``SynthgenError`` of one sentence, within ``SECONDS``.
        """
        with time_limit(SECONDS):
            try:
                self.feed(data)
            except SynthgenError as error:
                return sentence(str(error))
        return None


def sentence(said: str) -> str:
    """Return what an error says. Raises ``AssertionError`` where it is no single line that one can read."""
    assert said.strip(), "an error without a word"
    assert len(said) < 2_000, f"a sentence of {len(said)} characters: {said[:200]}…"
    assert len(said.splitlines()) == 1, f"more than a line: {said!r}"
    said.encode()
    return said


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``HungError`` in the main thread after ``seconds``; what cannot even be interrupted ends the process."""

    def late(*_: object) -> None:
        raise HungError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        faulthandler.dump_traceback_later(4 * seconds, exit=True)
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def texts_in(data: bytes) -> list[str]:
    """Return the texts that bytes stand for where a writer is fed: split at NUL, with what JSON would let through."""
    return data.decode("utf-8", "surrogatepass" if _pairs(data) else "replace").split("\0")


def _pairs(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def value_in(data: bytes) -> Any:
    """Return the JSON that bytes hold, or their texts where they hold none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return texts_in(data)
