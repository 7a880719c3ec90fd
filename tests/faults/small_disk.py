"""A file system of a few pages, in a mount namespace of its own: it is gone when its holder is."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs, seen by other processes at ``path``."""

    def __init__(self, holder: "subprocess.Popen[str]", at: Path) -> None:
        self._holder, self._at = holder, at
        self.path = Path(f"/proc/{holder.pid}/root{at}")

    def mount(self, settings: str) -> bool:
        """Mount it, or mount it again, with e.g. ``size=64k``, ``remount,ro``; tell whether that could be done."""
        assert self._holder.stdin
        assert self._holder.stdout
        self._holder.stdin.write(f"mount -t tmpfs -o {settings} tmpfs '{self._at}' 2>&1; echo $?\n")
        self._holder.stdin.flush()
        while (line := self._holder.stdout.readline()) and not line.strip().isdigit():
            print(line)
        return line.strip() == "0"


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[SmallDisk]:
    """Give a disk of ``size``; skips the test, loudly, where this system lets nobody mount one."""
    at.mkdir()
    if not shutil.which("unshare"):
        pytest.skip("NO SMALL DISK: there is no unshare here, so a full disk is tried by a limit on files alone")
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        disk = SmallDisk(holder, at)
        if not disk.mount(f"size={size},uid=0,gid=0"):
            pytest.skip("NO SMALL DISK: this system lets nobody mount one; a full disk is tried by a limit alone")
        try:
            yield disk
        finally:
            assert holder.stdin
            holder.stdin.close()
