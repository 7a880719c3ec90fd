"""What a notebook imports: run a method, read runs, compare them, evaluate a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.events import Event, Note, Observer, RunOpened, ignore
from synthgen.recipe import Recipe, make_recipe
from synthgen.runs.read import Run, load_run

if TYPE_CHECKING:
    from synthgen.runs.folder import Resume

__all__ = ["compare", "execute", "fusegen", "load_run"]


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


def execute(
    recipe: Recipe, *, out: Path | str | None = None, resume: "Resume" = "never", observe: Observer = ignore
) -> Run:
    """Run any recipe into a folder and return the finished run.

    ``out`` and ``resume`` are those of ``runs.folder.prepare_run``. Raises ``UserError`` before anything is written
    where the recipe or the folder is wrong, ``SynthgenError`` where the run cannot go on.
    """
    from synthgen.assemble import assemble, describe
    from synthgen.evolve import evolve
    from synthgen.report.write import write_report
    from synthgen.runs.folder import prepare_run

    parts = assemble(recipe)
    run = prepare_run(recipe, describe(recipe, parts), out=Path(out) if out else None, resume=resume)
    if parts.gold:
        observe(Note(f"Accuracy is measured on {parts.gold.source} ({len(parts.gold.texts)} texts)."))
    with run:
        observe(RunOpened(run.path))

        def logged(event: Event) -> None:
            run.log(str(event))
            observe(event)

        evolve(recipe, parts, run, logged)
        write_report(load_run(run.path))
    return load_run(run.path)


def compare(runs: Sequence[Run | Path | str]) -> list[dict[str, Any]]:
    """Return one row a run: method, PLMs, samples, accuracy, tokens, seconds."""
    from synthgen.report.comparison import comparison_rows

    loaded = [run if isinstance(run, Run) else load_run(run) for run in runs]
    return comparison_rows([(run.name, run.recipe.model_dump(mode="json"), run.metrics) for run in loaded])
