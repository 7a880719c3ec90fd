"""The commands of ``synthgen``."""

from typing import Annotated

import typer

from synthgen import __version__
from synthgen.cli.doctor import doctor
from synthgen.cli.know import plms, tasks
from synthgen.cli.look import cartography, compare, evaluate
from synthgen.cli.methods import add_methods, plan_recipe, run_recipe
from synthgen.cli.samples import samples

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Several language models write a labelled text dataset together and improve it round by round.",
)
plan = typer.Typer(no_args_is_help=True, help="Show what a run would do, without generating anything.")


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
for command in (evaluate, cartography, samples, compare, tasks, plms, doctor):
    app.command()(command)
