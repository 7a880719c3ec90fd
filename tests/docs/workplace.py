"""The reader's machine: a folder with the files documents speak of, an empty home, no network, and local servers."""

import gzip
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from doc_blocks import Block, Step
from forked import write_command

from synthgen.testing import ScriptedServer

ROOT = Path(__file__).parents[2]
PATIENCE = 1200
"""Seconds that a command may take on a machine that is busy with other things."""
WRITES = r"\bsynthgen (?:plan )?(?:zerogen|progen|sungen|fusegen|wasp|augpe|pe|pcevolve|rf)\b[^;|#&>]*"
"""A method's command, up to where another one begins."""

REPOSITORY = ("recipes", "prompts", "notebooks", "docs", "tools", "benchmarks", "Makefile")

_URL = re.compile(r"(?:([\w.:-]+)@)?https?://[\w.-]+:\d+/v1")
_PRAISE = ["a warm and patient film", "the cast is superb", "a joy from start to end", "i laughed and cried"]
_BLAME = ["a dull and noisy film", "the cast looks lost", "a bore from start to end", "i wanted my money back"]
_ASIDES = ["in the quiet opening", "under the rain", "at the village fair", "by the old harbour", "on the night train"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a command printed (progress and results in the order they came) and how it ended."""

    code: int
    text: str


def rows(count: int, seed: int, **more: str) -> list[dict[str, str]]:
    """Return ``count`` short reviews of our own, the labels in turn."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        label = ("negative", "positive")[number % 2]
        tone = _PRAISE if label == "positive" else _BLAME
        parts = [draw.choice(tone), draw.choice(_ASIDES), draw.choice(tone), f"scene {draw.randint(1, 999)}"]
        made.append({"text": f"{', '.join(parts)}.".capitalize(), "label": label, **more})
    return made


def lay_out(folder: Path, links: Iterable[str] = REPOSITORY) -> None:
    """Write the files that the documents say a reader has, and link to those that the repository has."""
    for name in links:
        (folder / name).symlink_to(ROOT / name)
    many = {"seeds": rows(60, 1), "clinic-a": rows(30, 2), "clinic-b": rows(30, 3), "reviews": rows(80, 4)}
    many |= {"data": rows(80, 5), "real": rows(80, 6), "texts": rows(80, 7, plm="llama2")}
    for name, held in many.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in held), encoding="utf-8")
    with gzip.open(folder / "reviews.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in many["reviews"])


@contextmanager
def warm_machine() -> Iterator[dict[str, str]]:
    """Start what runs commands; yield the environment in which ``synthgen`` and ``python`` are quick to start."""
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    # The path of a socket must be short.
    with TemporaryDirectory(prefix="docs") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "home").mkdir()
        environment = {key: os.environ[key] for key in kept if key in os.environ}
        environment |= {"HOME": f"{folder}/home", "HF_HOME": f"{folder}/home/hf", "HF_HUB_OFFLINE": "1"}
        environment |= {"PATH": f"{folder}:{environment['PATH']}", "COLUMNS": "80", "PYTHONSAFEPATH": "1"}
        # Several threads wait for each other on a machine that is busy with other tests.
        environment |= {"OMP_NUM_THREADS": "1"}
        # Else Typer looks for the shell that all this was started from, such as make's.
        environment |= {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        address = folder / "socket"
        for command in ("synthgen", "python"):
            write_command(folder / command, address, command)
        command = [sys.executable, str(Path(__file__).with_name("forked.py")), str(address)]
        server = stack.enter_context(
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(server.kill)
        assert server.stdout
        assert server.stdout.readline().strip() == "ready"
        yield environment


@dataclass
class Workplace:
    """Runs the commands of one document in ``folder``; servers that they name are started when first met."""

    folder: Path
    environment: Mapping[str, str]
    servers: ExitStack
    seen: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block, step: Step) -> Shown:
        """Run a command in bash, with placeholders bound and the block's options added."""
        command = step.command
        for options in block.marks.get("run with", ()):
            command = re.sub(WRITES, lambda found, options=options: f"{found[0].rstrip()} {options} ", command)
        return self.shell(command)

    def shell(self, command: str) -> Shown:
        """Run one line of bash."""
        done = subprocess.run(
            ["bash", "-c", f"set -eo pipefail; {self.bound(command)}"],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Shown(done.returncode, done.stdout)

    def bound(self, text: str) -> str:
        """Put the latest run in place of ``<run-id>`` and local servers in place of others."""
        text = _URL.sub(lambda found: self._server(found[0], found[1]), text)
        return text.replace("<run-id>", self.latest()) if "<run-id>" in text else text

    def latest(self) -> str:
        """Return the name of the run that ended last. Raises ``AssertionError`` where the document made none."""
        ended = sorted((self.folder / "runs").glob("*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
        assert ended, "<run-id> stands before the first run; <!-- before: COMMAND --> makes one"
        return ended[-1].parent.name

    def _server(self, named: str, model: str | None) -> str:
        if named not in self.seen:
            server = self.servers.enter_context(ScriptedServer(models=[model or "mine"]))
            self.seen[named] = f"{model}@{server.url}" if model else server.url
        return self.seen[named]
