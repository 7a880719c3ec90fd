"""Runs a command and outlives it and its owner just long enough that nothing of it stays behind.

``python guard.py COMMAND...``, run by path, standard library only. Starts the command in a session of its own, prints
its pid, and waits for its exit or for the end of standard input, whose other end the owner holds: the end of the owner,
however it came. Then every process of the command gets SIGTERM and, after ``GRACE`` seconds, SIGKILL.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

GRACE = 15.0
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def main(command: Sequence[str]) -> int:
    """Return the command's exit status, 128 + n where signal n ended it, 127 where it cannot be run."""
    _adopt_orphans()
    wake = _wake_on_signals()
    owner = os.getppid()
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"OSError: {command[0]} cannot be run: {error}\n")
        return 127
    with contextlib.suppress(BrokenPipeError):
        os.write(1, b"%d\n" % child.pid)
    ended: dict[int, int] = {}
    while child.pid not in ended and not _asked_to_stop(wake, owner):
        _reap(ended)
    _end(child.pid, ended)
    status = ended.get(child.pid, 0)
    return status if status >= 0 else 128 - status


def _adopt_orphans() -> None:
    """Become the parent of the command's orphans, where the kernel can: pid 1 of a container may never bury them."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _wake_on_signals() -> int:
    """Return a descriptor that reads a byte, the signal's number, for every SIGCHLD, SIGTERM and SIGHUP."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    # Ctrl-C is the owner's to answer. A handler that does nothing, unlike SIG_IGN, is not handed on to the command.
    for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return readable


def _asked_to_stop(wake: int, owner: int) -> bool:
    """Wait for something to happen, a second at most, and return whether it ends the command."""
    ready, _, _ = select.select([0, wake], [], [], 1.0)
    if 0 in ready and not os.read(0, 4096):
        return True
    signals = os.read(wake, 4096) if wake in ready else b""
    # A process forked from the owner may hold the other end of standard input longer than the owner lives.
    return signal.SIGTERM in signals or signal.SIGHUP in signals or os.getppid() != owner


def _end(leader: int, ended: dict[int, int]) -> None:
    """End the command's group and whatever else descends from it; return when all of it is gone."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, number)
        told, until = {leader}, time.monotonic() + patience
        while time.monotonic() < until:
            if _reap(ended) and not _group_lives(leader):
                return
            # The end of a parent makes its children ours: those that had left the group are found only now.
            for orphan in [child for child in _children() if child not in told]:
                told.add(orphan)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(orphan, number)
            time.sleep(0.02)


def _children() -> list[int]:
    """Return this process's children, of whatever group; empty where the kernel does not list them."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def _group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


def _reap(ended: dict[int, int]) -> bool:
    """Note how children ended; return whether none is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False
        ended[pid] = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
