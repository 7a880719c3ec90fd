"""Waiting for what other threads and processes do, however slow the machine is."""

import time
from collections.abc import Callable


def wait_until(so: Callable[[], bool], seconds: float = 60) -> None:
    """Return when something is so. Fails where it never is."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until
        time.sleep(0.02)
