"""Commands that can be killed, starved and interrupted, without the seconds that importing takes.

As a program it is a process that has imported everything and forks one for each command it is told, a JSON object a
line on stdin; ``Nursery`` is the side of the tests.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

HEAVY = """
torch transformers datasets sklearn.linear_model sklearn.feature_extraction.text scipy.optimize pandas matplotlib.pyplot
synthgen.api synthgen.assemble synthgen.evolve synthgen.report.write synthgen.cli.app synthgen.downstream.tfidf
synthgen.plms.engines.scripted synthgen.plms.engines.transformers synthgen.plms.engines.server.engine
""".split()


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, below 0 for a signal, and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The error; fails where there is more than one line of it, or a traceback."""
        assert "Traceback" not in self.err, self.err
        [line] = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        return line.removeprefix("Error: ")


class Command:
    """A command that runs in a process of its own, ``pid``."""

    def __init__(self, nursery: "Nursery", pid: int, said: Path) -> None:
        self.pid = pid
        self._nursery, self._said = nursery, said
        self._code: int | None = None

    def ended(self) -> bool:
        if self._code is None:
            self._code = self._nursery.tell({"poll": self.pid})
        return self._code is not None

    def signal(self, number: int) -> None:
        if not self.ended():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self) -> Ended:
        if self._code is None:
            self._code = self._nursery.tell({"wait": self.pid})
        assert self._code is not None
        return Ended(self._code, *(self._said.with_suffix(kind).read_text() for kind in (".out", ".err")))

    def pause(self, seconds: float) -> None:
        """Let it run on for a while, unless it ends."""
        end = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= end)

    def wait_until(self, reached: Callable[[], bool]) -> bool:
        """Wait until something is so, or the command has ended; tell whether it is."""
        while not (so := reached()) and not self.ended():
            time.sleep(0.002)
        return so


class Nursery:
    """Starts commands; a context manager. What they say is kept in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __enter__(self) -> "Nursery":
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, *arguments: object, cwd: Path | None = None, prelude: str = "") -> Command:
        """Start ``synthgen`` with ``arguments``, after the Python of ``prelude``."""
        self._count += 1
        said = self._folder / str(self._count)
        for kind in (".out", ".err"):
            # Here, and not by the command: it may be killed before it gets to that.
            said.with_suffix(kind).touch()
        words = [str(argument) for argument in arguments]
        asked = {"run": words, "cwd": str(cwd or self._folder), "prelude": prelude, "said": str(said)}
        return Command(self, self.tell(asked), said)

    def run(self, *arguments: object, cwd: Path | None = None, prelude: str = "") -> Ended:
        return self.start(*arguments, cwd=cwd, prelude=prelude).wait()

    def tell(self, what: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def dataset_of(run: Path) -> str:
    """Return the hash of a run's dataset."""
    return sha256((run / "dataset" / "train.parquet").read_bytes()).hexdigest()


def serve() -> None:
    import gc
    from importlib import import_module

    for name in HEAVY:
        import_module(name)
    from synthgen.curate.language import LanguageCheck

    LanguageCheck("en")
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            answer: Any = os.fork() or _be(**asked)
        else:
            which = asked.get("wait") or asked["poll"]
            pid, status = os.waitpid(which, os.WNOHANG if "poll" in asked else 0)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)


def _be(run: list[str], cwd: str, prelude: str, said: str) -> None:
    """Be the command, in the fork."""
    for number, where in enumerate([os.devnull, f"{said}.out", f"{said}.err"]):
        os.dup2(os.open(where, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.chdir(cwd)
    # A shell starts background jobs deaf to SIGINT, nohup to SIGHUP, and so would be the tests' children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    code: object = 1
    try:
        exec(prelude, {"__name__": "prelude"})
        from synthgen.cli import main

        main(run)
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve()
