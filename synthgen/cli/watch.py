"""Watch a run: live bars in a terminal, plain lines elsewhere; then the summary."""

import json
import shlex
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from synthgen.cli.options import ResumeOption, Settled
from synthgen.events import Event, Generated, Loading, Note, RoundEnded, RoundStarted, RunOpened, StageStarted

SECONDS_BETWEEN_LINES = 5
"""How often progress is told where there is no terminal to show it in."""


def execute_and_show(settled: Settled, out: Path | None, resume: ResumeOption, *, as_json: bool) -> None:
    """Run the recipe with progress on stderr; print the summary, or with ``as_json`` the metrics, on stdout."""
    from synthgen.api import execute
    from synthgen.report.summary import summary_table

    console = Console(stderr=True)
    with Watcher(console, settled) as watcher:
        for note in settled.notes:
            watcher(Note(note))
        run = execute(settled.recipe, out=out, resume=resume, observe=watcher)
    if as_json:
        sys.stdout.write(json.dumps(run.metrics) + "\n")
        return
    shown = Console()
    shown.print(summary_table(run.metrics))
    if spent := _spent(run.path / "ledger.json"):
        shown.print(Text.assemble(("privacy    ", "bold"), spent), soft_wrap=True)
    for what, where in {
        "dataset": "dataset/train.parquet",
        "pictures": "plots/cartography.png",
        "report": "report.html",
        "everything": "",
    }.items():
        shown.print(Text.assemble((f"{what:<11}", "bold"), str(run.path / where)), soft_wrap=True)


def _spent(ledger: Path) -> str:
    """Return what a run's ledger says in one line; nothing where there is none."""
    if not ledger.is_file():
        return ""
    held = json.loads(ledger.read_text(encoding="utf-8"))
    promised, spent, count = held["promised"], held["spent"], len(held["releases"])
    if promised["epsilon"] == "inf":
        return "none: nothing was promised"
    return (
        f"epsilon {spent['epsilon']:.3g} of {promised['epsilon']:g} spent, delta {spent['delta']:g}, {count} releases"
    )


LEAST_SHARE = 0.02
"""Share of a run's samples that must be there before the remaining time is estimated from them."""


class Watcher:
    """Turns events into bars (a terminal) or lines (anything else), with tokens per second and remaining time."""

    def __init__(self, console: Console, settled: Settled) -> None:
        self._console = console
        self._recipe = settled.recipe
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._status = Text("starting")
        self._live = Live(Group(self._bars, self._status), console=console, refresh_per_second=8, transient=True)
        self._began = time.monotonic()
        self._tokens = 0
        self._generating = 0.0
        self._last = time.monotonic()
        self._round = 0
        self._folder: Path | None = None
        self._done: dict[tuple[int, str], int] = defaultdict(int)
        self._tasks: dict[str, Any] = {}
        self._writing: dict[str, Generated] = {}
        self._wanted = 0
        self._replayed = 0
        self._said = 0.0

    def __enter__(self) -> "Watcher":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._folder is None or kind is None:
            return
        if issubclass(kind, KeyboardInterrupt):
            self._say("Interrupted; nothing finished is lost.")
        self._say(f"Continue with: {resume_hint(self._folder)}")

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Note(message):
                self._say(message)
            case RunOpened(path):
                self._folder = path
                self._say(f"Writing {path}.")
            case RoundStarted():
                self._start_round(event)
            case Loading(plm, engine, seconds):
                self._loading(plm, engine, seconds)
            case Generated():
                self._generated(event)
            case StageStarted(stage):
                self._last = time.monotonic()
                self._status.plain = f"round {self._round}: {stage}"
            case RoundEnded(number, samples):
                self._say(f"Round {number} of {self._recipe.rounds}: {samples} samples so far.")

    def _start_round(self, event: RoundStarted) -> None:
        self._round = event.round
        self._wanted = max(self._wanted, event.samples * (event.rounds + 1))
        self._writing.clear()
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()

    def _loading(self, plm: str, engine: str, seconds: float) -> None:
        self._status.plain = f"round {self._round}: loading {plm} through {engine}, {seconds:.0f} s"
        now = time.monotonic()
        self._last = now
        if not self._console.is_terminal and seconds and now - self._said > SECONDS_BETWEEN_LINES:
            self._said = now
            self._say(f"Loading {plm} through {engine}, {seconds:.0f} s so far.")

    def _generated(self, event: Generated) -> None:
        now = time.monotonic()
        self._generating += now - self._last
        self._last = now
        self._tokens += event.tokens
        done, before = _done(event), self._done[self._round, event.plm]
        self._done[self._round, event.plm] = done
        if not event.tokens:
            self._replayed += max(0, done - before)
        self._writing[event.plm] = event
        note = f"{self._rate():,.0f} tokens/s, {self._remaining()} left"
        if not self._console.is_terminal:
            if now - self._said > SECONDS_BETWEEN_LINES:
                self._said = now
                self._say(f"Round {self._round}, {self._counts(event)}, {note}.")
            return
        if event.plm not in self._tasks:
            self._tasks[event.plm] = self._bars.add_task(f"round {self._round} {event.plm}", total=event.asked, note="")
        self._bars.update(self._tasks[event.plm], completed=done, note=f"{event.rejected} rejected, {note}")

    def _counts(self, last: Generated) -> str:
        """Return the counts of the PLMs that are at it, the last one heard of among them."""
        at_it = [event for event in self._writing.values() if event is last or _done(event) < event.asked]
        said = ", ".join(f"{event.plm}: {_done(event)} of {event.asked}" for event in at_it)
        return f"{said} samples, {sum(event.rejected for event in at_it)} rejected"

    def _rate(self) -> float:
        return self._tokens / max(self._generating, 1e-6)

    def _remaining(self) -> str:
        """Estimate from the share of samples that were written so far; "?" until it says something."""
        done = sum(self._done.values())
        fresh = done - self._replayed
        if fresh < self._wanted * LEAST_SHARE:
            return "?"
        seconds = int((time.monotonic() - self._began) * (self._wanted - done) / fresh)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _say(self, sentence: str) -> None:
        self._console.print(Text(sentence), soft_wrap=True)


def _done(event: Generated) -> int:
    return min(event.asked, event.accepted + event.waiting)


def resume_hint(path: Path) -> str:
    """Return the command that continues the run in ``path``."""
    folder = shlex.quote(str(path))
    return f"synthgen run {shlex.quote(str(path / 'recipe.yaml'))} --out {folder} --resume"
