"""A server that this process owns: from its start to the end of the last process of it."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx2
import psutil

from synthgen.errors import SynthgenError
from synthgen.links import unlinked
from synthgen.plms.engines.vllm.last_words import advice, last_words, tail

GUARD = Path(__file__).with_name("guard.py")
_TAKEN = "address already in use"
_REPORT = 10.0
"""Seconds in which the guard tells how a server ended; it has little left to do then."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PortTakenError(SynthgenError):
    """The server ended because somebody else listens on its port."""


class Child:
    """One server process with all it spawns, in a session of its own.

    However this process ends, SIGKILL included, that session is ended too. One thread at a time launches; any may stop.
    A stopped child can be started again.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._launch: object = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._leader: psutil.Process | None = None
        self._log = Path(os.devnull)
        self._since = 0
        self.pid: int | None = None
        self.port: int | None = None

    @property
    def alive(self) -> bool:
        """Whether the server's own process runs; the processes it spawned may outlive it until ``stop``."""
        leader = self._leader
        return leader is not None and _runs(leader)

    def launch(
        self,
        make_command: Callable[[int], Sequence[str]],
        environment: Mapping[str, str],
        log: Path,
        *,
        timeout: float,
        tell: Callable[[float], None] | None = None,
        attempts: int = 3,
        next_port: Callable[[], int] = free_port,
    ) -> int:
        """Start the server on a free port, wait until it is ready, and return the port.

        Another port is tried where somebody took it in between. Raises as ``start`` and ``wait_ready`` do, and
        ``SynthgenError`` where another thread calls ``stop`` meanwhile; nothing runs any more then.
        """
        mine = self._launch = object()
        while True:
            attempts, port = attempts - 1, next_port()
            command = make_command(port)
            try:
                with self._lock:
                    self._go_on(mine)
                    self.start(command, environment, log, port)
                self.wait_ready(timeout, tell)
                self._go_on(mine)
            except BaseException as error:
                self._end()
                if isinstance(error, SynthgenError):
                    self._go_on(mine)
                if not (isinstance(error, PortTakenError) and attempts > 0):
                    raise
            else:
                return port

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path, port: int) -> None:
        """Start the command; what it writes is appended to ``log``, whose folder is made.

        Raises ``SynthgenError`` where it cannot be run, the log cannot be written, or this child runs already.
        """
        with self._lock:
            if self._guard is not None:
                raise SynthgenError(f"A server with pid {self.pid} is running already; stop it first.")
            self._log, self.port, self.pid, self._leader = log, port, None, None
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                with open(log, "ab", opener=unlinked) as file:
                    self._since = file.tell()
                    self._guard = subprocess.Popen(
                        [sys.executable, "-I", "-S", str(GUARD), *command],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=file,
                        env=dict(environment),
                        # A signal to our group must not reach the guard before its work is done.
                        start_new_session=True,
                    )
            except OSError as error:
                raise SynthgenError(f"vLLM cannot be started: {error}.") from error
            assert self._guard.stdout is not None
            first = self._guard.stdout.readline()
            if not first.strip().isdigit():
                self._end()
                raise SynthgenError(self.complaint())
            self.pid = int(first)
            with contextlib.suppress(psutil.NoSuchProcess):
                self._leader = psutil.Process(self.pid)

    def wait_ready(self, timeout: float, tell: Callable[[float], None] | None = None) -> None:
        """Wait until ``/health`` answers 200; ``tell`` hears the seconds waited, a few times a second.

        Raises ``SynthgenError`` with what the log says as soon as the server has ended, and after ``timeout`` seconds.
        """
        began = time.monotonic()
        with httpx2.Client(trust_env=False, timeout=5) as client:
            while not self._healthy(client):
                if not self.alive:
                    taken = _TAKEN in tail(self._log, self._since).lower()
                    raise (PortTakenError if taken else SynthgenError)(self.complaint())
                waited = time.monotonic() - began
                if waited > timeout:
                    raise SynthgenError(f"vLLM was not ready after {timeout:.0f} seconds; see {_shown(self._log)}.")
                if tell is not None:
                    tell(waited)
                time.sleep(0.2)

    def complaint(self) -> str:
        """Return one sentence: what the ended server said that matters, what to do about it, and where its log is."""
        said = last_words(self._log, self._since).rstrip(".") or self._silent_end()
        what = advice(said)
        return f"vLLM ended: {said}{f'; {what}' if what else ''} (its log: {_shown(self._log)})."

    def stop(self, timeout: float = 30) -> None:
        """End the server and everything it spawned; return when all of it is gone, its memory with it.

        SIGTERM first, SIGKILL after 15 seconds. Does nothing where nothing runs; may be called again after an
        interrupt, and by several threads. A ``launch`` under way in another thread gives up. Raises ``SynthgenError``
        with the pids that could not be ended.
        """
        self._launch = None
        self._end(timeout)

    def _end(self, timeout: float = 30) -> None:
        with self._lock:
            guard = self._guard
            if guard is None:
                return
            assert guard.stdin is not None
            assert guard.stdout is not None
            with contextlib.suppress(OSError):
                guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                guard.wait(timeout)
            # The guard has done this, unless it was killed or is stuck itself.
            if self.pid is not None and (left := _killed(self.pid, 5)):
                raise SynthgenError(f"vLLM's processes {', '.join(map(str, left))} cannot be ended; end them by hand.")
            guard.kill()
            guard.wait()
            guard.stdout.close()
            self._guard = None

    def _go_on(self, launch: object) -> None:
        if self._launch is not launch:
            raise SynthgenError("vLLM was stopped while it was starting.")

    def _healthy(self, client: httpx2.Client) -> bool:
        try:
            answered = client.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return False
        # Somebody else's server may be healthy on this port while ours is about to find it taken.
        return answered and self.pid is not None and _listens(self.pid, self.port)

    def _silent_end(self) -> str:
        status, guard = None, self._guard
        if guard is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = guard.wait(_REPORT)
        if status is not None and status > 128:
            return f"signal {status - 128} without a word"
        return "without a word" if status is None else f"exit status {status} without a word"


def _members(session: int) -> list[psutil.Process]:
    """Return the living processes of a session; zombies hold nothing and do not count."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and _runs(process := psutil.Process(pid)):
                found.append(process)
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _killed(session: int, patience: float) -> list[int]:
    """SIGKILL what is left of a session; return the pids that are there even so after ``patience`` seconds."""
    until = time.monotonic() + patience
    while left := _members(session):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > until:
            return [process.pid for process in left]
        time.sleep(0.05)
    return []


def _listens(session: int, port: int | None) -> bool:
    """Return whether a process of the session listens on the port; True where one may not be asked."""
    for process in _members(session):
        try:
            sockets = process.net_connections(kind="tcp")
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            continue
        if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets):
            return True
    return False


def _shown(log: Path) -> str:
    """Return the log's path, from the working folder where it is inside it."""
    with contextlib.suppress(ValueError):
        return str(log.resolve().relative_to(Path.cwd()))
    return str(log)
