"""What a notebook imports: run a method, read runs, compare them, evaluate a dataset."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from synthgen.events import Event, Generated, Loading, Note, Observer, RunOpened, ignore
from synthgen.recipe import Recipe, make_recipe
from synthgen.runs.read import Run, load_run

if TYPE_CHECKING:
    from synthgen.hub.push import Pushed
    from synthgen.runs.folder import Resume, RunFolder
    from synthgen.shelf import Shelf

__all__ = ["compare", "execute", "fusegen", "load_run", "progen", "push", "sungen", "wasp", "zerogen"]

SECONDS_BETWEEN_LINES = 10
"""How often a run's log is told of progress within a stage."""


def fusegen(
    task: str,
    plms: Sequence[str],
    *,
    out: Path | str | None = None,
    resume: "Resume" = "never",
    observe: Observer = ignore,
    **settings: Any,
) -> Run:
    """Run FuseGen; ``settings`` are any other settings of a recipe. Raises ``UserError`` where one of them is wrong."""
    recipe = make_recipe({"method": "fusegen", "task": task, "plms": tuple(plms), **settings})
    return execute(recipe, out=out, resume=resume, observe=observe)


def zerogen(task: str, plms: Sequence[str], **given: Any) -> Run:
    """Run ZeroGen; takes what ``fusegen`` takes."""
    return fusegen(task, plms, **{"method": "zerogen", **given})


def progen(task: str, plms: Sequence[str], **given: Any) -> Run:
    """Run ProGen; takes what ``fusegen`` takes."""
    return fusegen(task, plms, **{"method": "progen", **given})


def sungen(task: str, plms: Sequence[str], **given: Any) -> Run:
    """Run SunGen; takes what ``fusegen`` takes."""
    return fusegen(task, plms, **{"method": "sungen", **given})


def wasp(
    private: Sequence[Path | str],
    plms: Sequence[str],
    *,
    out: Path | str | None = None,
    resume: "Resume" = "never",
    observe: Observer = ignore,
    **settings: Any,
) -> Run:
    """Run WASP with the ``private`` files, one a party; without ``task`` or ``labels`` the files' labels tell them.

    ``settings`` are any other settings of a recipe, such as ``privacy={"epsilon": 2.0}``. Raises ``UserError`` where
    one of them, or a file, is wrong.
    """
    paths = tuple(str(path) for path in private)
    if not (settings.get("task") or settings.get("labels")):
        from synthgen.privacy.parties import task_told

        settings |= task_told(paths, settings.get("about"))
    recipe = make_recipe({"method": "wasp", "private": paths, "plms": tuple(plms), **settings})
    return execute(recipe, out=out, resume=resume, observe=observe)


def execute(
    recipe: Recipe,
    *,
    out: Path | str | None = None,
    resume: "Resume" = "never",
    observe: Observer = ignore,
    shelf: "Shelf | None" = None,
) -> Run:
    """Run any recipe into a folder and return the finished run.

    Runs that follow each other may share a ``shelf``: see ``synthgen.shelf``.

    ``out`` and ``resume`` are those of ``runs.folder.prepare_run``. Raises ``UserError`` before anything is written
    where the recipe or the folder is wrong, ``SynthgenError`` where the run cannot go on.
    """
    from synthgen.assemble import assemble, describe
    from synthgen.evolve import evolve
    from synthgen.report.write import write_report
    from synthgen.runs.folder import prepare_run

    parts = assemble(recipe, shelf=shelf)
    run = prepare_run(recipe, describe(recipe, parts), out=Path(out) if out else None, resume=resume)
    if parts.gold:
        observe(Note(f"Accuracy is measured on {parts.gold.source} ({len(parts.gold)} texts), after the last choice."))
    for note in (*parts.arrangement.notes, *parts.notes, *([run.note] if run.note else ())):
        observe(Note(note))
    with run:
        run.write_task(parts.task)
        observe(RunOpened(run.path))
        if finished := run.finished():
            observe(Note("The run was complete; there is nothing left to do."))
        else:
            evolve(recipe, parts, run, _logged(run, observe))
            run.seal()
        if not (finished and (run.path / "report.html").is_file()):
            write_report(load_run(run.path))
    return load_run(run.path)


def _logged(run: "RunFolder", observe: Observer) -> Observer:
    """Return ``observe`` with a log: of progress, which may come a thousand times a second, a line now and then."""
    last = 0.0

    def told(event: Event) -> None:
        nonlocal last
        often = isinstance(event, Generated | Loading)
        if not often or monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = monotonic() if often else last
            run.log(str(event))
        observe(event)

    return told


def compare(runs: Sequence[Run | Path | str]) -> list[dict[str, Any]]:
    """Return one row a run, or a run of a folder that holds some: method, PLMs, samples, accuracy, tokens, seconds."""
    from synthgen.report.arms import rows_of_runs

    return rows_of_runs([run.path if isinstance(run, Run) else Path(run) for run in runs])


def push(run: Run | Path | str, repo: str, **settings: Any) -> "Pushed":
    """Publish a run's dataset on the Hugging Face Hub; settings and errors are those of ``synthgen.hub.push.push``."""
    from synthgen.hub.push import push as push_run

    return push_run(run.path if isinstance(run, Run) else run, repo, **settings)
