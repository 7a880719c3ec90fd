"""Runs struck by signals at moments that are drawn: so many steps in, and a little later."""

import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nursery import Command, Ended, Nursery, dataset_of
from preludes import NO_REPORT

from synthgen.runs.read import load_run

PASSING = {"seconds", "loads", "tokens"}
"""Metrics that tell of the process that wrote them, or of its server, which remembers prompts."""


@dataclass(frozen=True)
class Setting:
    """A recipe and what runs it; ``whole`` is the folder of a run of it that nothing happened to."""

    nursery: Nursery
    recipe: Path
    whole: Path
    prelude: str = ""

    def start(self, out: Path, prelude: str = "") -> Command:
        words = ("run", self.recipe, "--out", out, "--resume", "if-possible")
        return self.nursery.start(*words, prelude=self.prelude + prelude)


def steps(run: Path) -> int:
    """Return how far a run is: lines of its log and of its journals."""
    return _lines(run / "log.txt") + sum(_lines(path) for path in run.glob("rounds/*/completions/*.jsonl"))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def strike(setting: Setting, out: Path, draw: random.Random, numbers: Sequence[int]) -> Ended:
    """Start or resume a run, and send it the signals at a moment that is drawn, unless it is over before."""
    # What is in a journal comes no more: then there are the lines of the log alone.
    ahead = max(steps(setting.whole) - steps(out), _lines(setting.whole / "log.txt"))
    wanted = steps(out) + draw.randrange(ahead)
    later = draw.choice([0.0, 0.01, 0.1, 1.0]) * draw.random()
    command = setting.start(out)
    command.wait_until(lambda: steps(out) >= wanted)
    command.pause(later)
    for number in numbers:
        command.signal(number)
    ended = command.wait()
    log = (out / "log.txt").read_text(encoding="utf-8").splitlines() if (out / "log.txt").exists() else []
    name = signal.Signals(numbers[0]).name
    print(f"{out.name}: {name} after {wanted} steps and {later:.3f} s: exit code {ended.code}; {log[-1:]}")
    return ended


def assert_same(setting: Setting, out: Path) -> None:
    """Let the run in ``out`` finish, and compare it with the undisturbed one."""
    ended = setting.start(out, NO_REPORT).wait()
    assert ended.code == 0, ended.err
    assert dataset_of(out) == dataset_of(setting.whole)
    metrics = [load_run(path).metrics for path in (out, setting.whole)]
    for name in metrics[1].keys() - PASSING:
        assert metrics[0][name] == metrics[1][name]
    if list(out.rglob("*.partial")):
        # It was struck at the report, which the run above does not write; writing it takes away what was left.
        (out / "report.html").unlink(missing_ok=True)
        assert setting.start(out).wait().code == 0
    assert list(out.rglob("*.partial")) == []


def struck_until(
    setting: Setting, folder: Path, *, seed: str, times: int, numbers: Sequence[int], check: Callable[[Ended], None]
) -> None:
    """Strike runs, each up to three times before it may finish, until ``times`` of them were met before their end."""
    draw = random.Random(seed)
    met, tries = 0, 0
    while met < times:
        out = folder / str(tries)
        for _ in range(min(3, times - met)):
            tries += 1
            ended = strike(setting, out, draw, numbers)
            check(ended)
            met += ended.code != 0
            if ended.code == 0:
                break
        assert_same(setting, out)
        assert tries < 10 * times
