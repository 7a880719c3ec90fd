"""What a Ray cluster has running on this machine, seen from outside."""

from contextlib import suppress
from typing import Any

import psutil


def processes(cluster: Any, name: str) -> list[psutil.Process]:
    """Return the processes of a cluster's nodes that run ``name``; Ray calls them by what they do.

    Tests beside this one have clusters of their own.
    """
    found = []
    for one in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            node = one.parent() if name in " ".join(one.info["cmdline"] or ()) else None
            if node and f"--gcs-address={cluster.address}" in node.cmdline():
                found.append(one)
    return found


def kill(found: list[psutil.Process]) -> None:
    """Kill processes; some may be gone by themselves."""
    for one in found:
        with suppress(psutil.NoSuchProcess):
            one.kill()
