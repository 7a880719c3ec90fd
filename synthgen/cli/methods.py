"""One command a method, and ``run`` for any recipe; ``plan`` has the same ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli import options as o
from synthgen.cli.options import Settled, changed, settle
from synthgen.methods import METHODS
from synthgen.recipe import read_recipe


def add_methods(app: typer.Typer, plan: typer.Typer) -> None:
    """Give every method its command, and the same command under ``plan``."""
    for name, (_, help_text) in METHODS.items():
        app.command(name, help=help_text)(_command(name, _execute))
        plan.command(name, help=f"Plan: {help_text}")(_command(name, _plan))


def _command(method: str, act: Callable[[Settled, Path | None, o.ResumeOption, bool], None]) -> Callable[..., None]:
    def command(
        task: o.Task,
        plms: o.Plms = None,
        profile: o.Profile = "auto",
        samples: o.Samples = None,
        rounds: o.Rounds = None,
        demos: o.Demos = None,
        candidates: o.Candidates = None,
        stm: o.Stm = None,
        gold: o.Gold = None,
        seed: o.Seed = 0,
        engine: o.Engine = "auto",
        endpoint: o.Endpoint = None,
        set_: o.Set = None,
        out: o.Out = None,
        resume: o.Resume = "never",
        json: o.Json = False,
    ) -> None:
        given = {
            "task": task,
            "samples": samples,
            "rounds": rounds,
            "demos": demos,
            "candidates": candidates,
            "stm": stm,
            "gold": gold,
            "seed": seed,
            "engine": engine,
            "endpoint": tuple(endpoint or ()),
        }
        act(settle(method, profile, plms, set_, given), out, resume, json)

    return command


def run_recipe(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    plms: o.Plms = None,
    engine: Annotated[o.EngineOption | None, typer.Option(help="Another engine than the recipe's.")] = None,
    endpoint: o.Endpoint = None,
    set_: o.Set = None,
    out: o.Out = None,
    resume: o.Resume = "never",
    json: o.Json = False,
) -> None:
    """Run any recipe: the complete setting in a file, such as the recipe.yaml of an earlier run.

    A resume may change how the PLMs are run: their addresses, the engine, --set serving.….
    """
    given = {"engine": engine, "endpoint": tuple(endpoint) if endpoint else None}
    _execute(Settled(changed(read_recipe(recipe), plms, set_, given)), out, resume, json)


def plan_recipe(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    json: o.Json = False,
) -> None:
    """Plan a recipe."""
    _plan(Settled(read_recipe(recipe)), None, "never", json)


def _execute(settled: Settled, out: Path | None, resume: o.ResumeOption, json: bool) -> None:
    from synthgen.cli.watch import execute_and_show

    execute_and_show(settled, out, resume, as_json=json)


def _plan(settled: Settled, out: Path | None, resume: o.ResumeOption, json: bool) -> None:
    from synthgen.cli.plan import show_plan

    show_plan(settled, as_json=json)
