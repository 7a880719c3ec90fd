"""Run a study and show what came of it: every run watched in its turn, then the comparison."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from synthgen.cli.options import ResumeOption, Settled
from synthgen.runs.read import Run
from synthgen.shelf import Shelf
from synthgen.study import Entry


def run_and_compare(recipe: Path, out: Path | None, resume: ResumeOption, *, as_json: bool) -> None:
    """Run all arms of the study ``recipe`` over all seeds, into ``out`` or a folder under runs/; then compare them."""
    from synthgen.api import execute
    from synthgen.cli.look import compare
    from synthgen.cli.watch import Watcher
    from synthgen.study import asked, entries, read_study, run_study, unequal

    study = read_study(recipe)
    folder = out or Path("runs") / study.compare
    console = Console(stderr=True)
    planned = entries(study, folder)
    for note in (unequal(study, folder), asked(study, folder)):
        if note:
            console.print(Text(note), soft_wrap=True)

    def watched(entry: Entry, shelf: Shelf) -> Run:
        place = planned.index(entry) + 1
        console.print(Text(f"{place} of {len(planned)}: {entry.arm}, seed {entry.recipe.seed}."), soft_wrap=True)
        with Watcher(console, Settled(entry.recipe)) as watcher:
            return execute(entry.recipe, out=entry.path, resume="if-possible", observe=watcher, shelf=shelf)

    for run in run_study(study, folder, resume=resume != "never", perform=watched):
        accuracy = run.metrics.get("accuracy")
        said = "" if accuracy is None else f", accuracy {accuracy:.4f}"
        console.print(Text(f"{run.path}: {run.metrics['samples']} samples{said}."), soft_wrap=True)
    compare([folder], out=folder / "comparison.png", baseline=None, json_=as_json)
