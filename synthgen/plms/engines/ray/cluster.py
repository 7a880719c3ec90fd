"""The Ray cluster that this process works with: joined by the first who asks, left by the last."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from synthgen.errors import SynthgenError, UserError

VARIABLE = "RAY_ADDRESS"
"""Names the cluster, ``HOST:PORT`` as for Ray itself; without it there is one of our own while we need it."""
STORE = 256 * 2**20
"""Bytes for the objects of a cluster of our own: what is under way, requests and texts."""
REACHED = 10.0
"""Seconds in which a cluster's address must answer."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a cluster has in all, ``cpus`` and ``gpus``, and the most GPUs of one node."""

    cpus: float
    gpus: float
    together: float


_lock = threading.Lock()
_users = 0
_ours = False


def joined() -> bool:
    """Tell whether this process works with a cluster now."""
    return _users > 0


@contextmanager
def member() -> Iterator[None]:
    """Work with the cluster for a while."""
    join()
    try:
        yield
    finally:
        leave()


def join() -> None:
    """Connect to the cluster, or start one on this machine; every call wants a ``leave``.

    A connection that the caller's program has made is used, and left to it. Raises ``UserError`` where Ray is not
    installed or nothing answers at the address, ``SynthgenError`` where a cluster of our own does not come up.
    """
    global _users, _ours
    ray = _ray()
    with _lock:
        if not _users and not ray.is_initialized():
            _connect(ray)
            _ours = True
        _users += 1


def leave() -> None:
    """Disconnect where nobody needs the cluster any more; one of our own is shut down."""
    global _users, _ours
    with _lock:
        _users -= 1
        if not _users and _ours:
            _ours = False
            _ray().shutdown()


class Stay:
    """One ``join``, whose ``leave`` waits for the work under way: what asks one that is gone may wait for ever."""

    def __init__(self) -> None:
        self.over = False
        self._at_work = 0
        self._change = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Keep the cluster for a while."""
        with self._change:
            self._at_work += 1
        try:
            yield
        finally:
            with self._change:
                self._at_work -= 1
                self._leave()

    def end(self) -> bool:
        """Leave, now or after the work; False where that was said before."""
        with self._change:
            if self.over:
                return False
            self.over = True
            self._leave()
            return True

    def _leave(self) -> None:
        if self.over and not self._at_work:
            leave()


def capacity() -> Capacity:
    """Return what the nodes have that are alive, free or not."""
    nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
    gpus = [node.get("GPU", 0.0) for node in nodes]
    return Capacity(sum(node.get("CPU", 0.0) for node in nodes), sum(gpus), max(gpus, default=0.0))


def quieten() -> None:
    """Keep Ray from reporting on the terminal what it does; its files have it all."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


def threads() -> int:
    """Return with how many threads this process computes: sums, and so texts, depend on it."""
    import torch

    return int(torch.get_num_threads())


def _ray() -> Any:
    # Ray reads these when it is imported, and its workers after it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_TASK_MAX_RETRIES", "-1")
    # A call that comes after the end must not start a cluster.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray wants Ray, which is not installed: pip install 'synthgen[ray]'.") from None
    return ray


def _connect(ray: Any) -> None:
    address = os.environ.get(VARIABLE, "").strip() or "local"
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        settings |= {"num_cpus": _cpus(), "include_dashboard": False, "object_store_memory": STORE}
    else:
        _reach(address)
    try:
        _keeper().submit(ray.init, **settings).result()
    except Exception as error:
        said = " ".join(str(error).split())
        if address == "local":
            raise SynthgenError(f"Ray does not start on this machine: {said}") from error
        raise UserError(
            f"This machine cannot join the Ray cluster at {address}: it must be one of its nodes "
            f"(ray start --address={address}). Ray says: {said}"
        ) from error
    quieten()


@cache
def _keeper() -> ThreadPoolExecutor:
    """Return a thread that lives as long as we do.

    Ray's processes die with the thread that started them. Only of the main thread Ray takes SIGTERM, which is ours.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="ray")


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _reach(address: str) -> None:
    """Raise ``UserError`` where nothing listens: Ray itself would wait for minutes, and then abort the process."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        raise UserError(
            f"{address!r} is no address of a Ray cluster; give HOST:PORT as `ray start` prints it, and run synthgen on "
            "one of the cluster's nodes."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"No Ray cluster answers at {address} ({error}).") from None
