"""Where what is fuzzed reads its files: one folder a process, in memory where there is such a place."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

REPOSITORY = Path(__file__).parents[2]
_MEMORY = Path("/dev/shm")


@cache
def place() -> Path:
    """Return the folder."""
    made = Path(tempfile.mkdtemp(prefix="synthgen-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def written(name: str, data: bytes) -> Path:
    """Write a file there."""
    path = place() / name
    path.write_bytes(data)
    return path


@cache
def imdb() -> Task:
    """Return a task of single texts."""
    return load_task("imdb")


@cache
def pairs() -> Task:
    """Return a task of pairs."""
    return load_task("qnli")
