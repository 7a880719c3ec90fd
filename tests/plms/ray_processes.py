"""What Ray has running on this machine, seen from outside."""

import time
from collections.abc import Callable

import psutil


def processes(name: str) -> list[psutil.Process]:
    """Return Ray's processes of this machine that run ``name``; Ray calls them by it."""
    return [one for one in psutil.process_iter(["name", "cmdline"]) if name in " ".join(one.info["cmdline"] or ())]


def wait_until(so: Callable[[], bool], seconds: float = 60) -> None:
    """Return when something is so: processes come and go when Ray gets to it. Fails where it never is."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until
        time.sleep(0.05)
