"""The commands of ``synthgen``."""

from typing import Annotated

import typer

from synthgen import __version__
from synthgen.cli.doctor import doctor
from synthgen.cli.export import export
from synthgen.cli.know import plms
from synthgen.cli.look import cartography, compare, evaluate
from synthgen.cli.methods import add_methods, plan_recipe, run_recipe
from synthgen.cli.push import push
from synthgen.cli.samples import samples
from synthgen.cli.tasks import tasks_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Several pre-trained language models (PLMs) write a labelled text dataset together and improve it round by "
    "round; small task models (STMs) trained on it choose what is worth imitating, and gold data, real labelled texts, "
    "measure it.\n\nExample: synthgen fusegen --task imdb --plms llama2,opt",
)
plan = typer.Typer(
    no_args_is_help=True,
    help="Show what a run would do, without generating anything.\n\nExample: synthgen plan fusegen --task imdb",
)


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"synthgen {__version__}")
        raise typer.Exit


add_methods(app, plan)
app.command("run")(run_recipe)
plan.command("run")(plan_recipe)
app.add_typer(plan, name="plan")
for command in (evaluate, cartography, samples, compare, export, push, plms, doctor):
    app.command()(command)
app.add_typer(tasks_app, name="tasks")
