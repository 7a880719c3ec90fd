"""What Ray has running on this machine, seen from outside. Tests beside this one have clusters of their own."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil


def processes(cluster: Any, name: str) -> list[psutil.Process]:
    """Return the processes of a cluster's nodes that run ``name``; Ray calls them by what they do."""

    def of_this_cluster(one: psutil.Process) -> bool:
        node = one.parent()
        return node is not None and f"--gcs-address={cluster.address}" in node.cmdline()

    return _running(name, of_this_cluster)


def nodes_marked(variable: str, value: str) -> list[psutil.Process]:
    """Return the nodes that a process with this in its environment has started."""
    return _running("raylet/raylet", lambda one: one.environ().get(variable) == value)


def kill(found: list[psutil.Process]) -> None:
    """Kill processes; some may be gone by themselves."""
    for one in found:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _running(name: str, wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if name in " ".join(one.info["cmdline"] or ()) and wanted(one):
                found.append(one)
    return found
