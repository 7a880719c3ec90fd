"""One command a method, and ``run`` for any recipe; ``plan`` has the same ones."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from synthgen.cli import complete
from synthgen.cli import options as o
from synthgen.cli.options import Settled, changed, settle
from synthgen.errors import UserError
from synthgen.methods import METHODS
from synthgen.recipe import read_recipe


def add_methods(app: typer.Typer, plan: typer.Typer) -> None:
    """Give every method its command, and the same command under ``plan``."""
    for name, row in METHODS.items():
        example = f"{name} {'--private seeds.jsonl' if row.private else '--task imdb'} --plms llama2,opt"
        told = f"{row.help}\n\nExample: synthgen {example}"
        app.command(name, help=told)(_command(name, row.private, _execute))
        planned = f"Plan {name}, generating nothing: {row.help}\n\nExample: synthgen plan {example}"
        plan.command(name, help=planned)(_command(name, row.private, _plan))


def _common(
    task: o.TaskOrLabels = None,
    labels: o.Labels = None,
    about: o.About = None,
    plms: o.Plms = None,
    pool: o.Pool = None,
    first_sentences: o.FirstSentences = None,
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
    ray_address: o.RayAddress = None,
    license: o.License = None,
    set_: o.Set = None,
    out: o.Out = None,
    resume: o.Resume = "never",
    json: o.Json = False,
) -> None:
    """Hold the options of every method; its signature is what counts."""


def _private(
    private: o.Private,
    epsilon: o.Epsilon = None,
    delta: o.Delta = None,
    adjacency: o.Adjacency = None,
    unit: o.Unit = None,
    embedder: o.Embedder = None,
    no_privacy: o.NoPrivacy = False,
    insecure_test_noise: o.InsecureTestNoise = False,
) -> None:
    """Hold the options of private methods."""


def _command(method: str, private: bool, act: Callable[[Settled, Path | None, o.ResumeOption, bool], None]) -> Any:
    def command(**given: Any) -> None:
        out, resume, json = given.pop("out"), given.pop("resume"), given.pop("json")
        act(settle(method, given), out, resume, json)

    # Typer reads a command's options from its signature.
    holders = (_private, _common) if private else (_common,)
    parameters = [parameter for holder in holders for parameter in signature(holder).parameters.values()]
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def run_recipe(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    plms: o.Plms = None,
    engine: Annotated[
        str | None, typer.Option(help="Another engine than the recipe's.", autocompletion=complete.engines)
    ] = None,
    endpoint: o.Endpoint = None,
    ray_address: o.RayAddress = None,
    set_: o.Set = None,
    out: o.Out = None,
    resume: o.Resume = "never",
    json: o.Json = False,
) -> None:
    """Run any recipe: the complete setting in a file, such as the recipe.yaml of an earlier run.

    A resume may change how the PLMs are run: their addresses, the engine, --set serving.…. A recipe with several arms
    (recipes/compare-….yaml) is run arm by arm and seed by seed, and compared.

    Example: synthgen run runs/a/recipe.yaml --out runs/a --resume
    """
    from synthgen.study import is_study

    if is_study(recipe):
        from synthgen.cli.study import run_and_compare

        if plms or engine or endpoint or set_:
            raise UserError("A study says everything in its file; write settings there, under `settings:` or an arm.")
        run_and_compare(recipe, out, resume, as_json=json)
        return
    given = {"engine": engine, "endpoint": tuple(endpoint) if endpoint else None}
    _execute(Settled(changed(read_recipe(recipe), plms, set_, given)), out, resume, json)


def plan_recipe(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    json: o.Json = False,
) -> None:
    """Plan a recipe, generating nothing: its prompts, counts, tokens, time and memory.

    Example: synthgen plan run recipes/fusegen-imdb.yaml
    """
    from synthgen.study import is_study

    if is_study(recipe):
        raise UserError("A study is planned arm by arm: synthgen plan METHOD with the settings of one.")
    _plan(Settled(read_recipe(recipe)), None, "never", json)


def _execute(settled: Settled, out: Path | None, resume: o.ResumeOption, json: bool) -> None:
    from synthgen.cli.watch import execute_and_show

    execute_and_show(settled, out, resume, as_json=json)


def _plan(settled: Settled, out: Path | None, resume: o.ResumeOption, json: bool) -> None:
    from synthgen.cli.plan import show_plan

    show_plan(settled, as_json=json)
