"""``synthgen plan``: what a run would ask for and cost, before anything is loaded."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from synthgen.cli.options import Settled


def show_plan(settled: Settled, *, as_json: bool) -> None:
    """Print prompts, counts and an estimate of tokens; with ``as_json`` as one object."""
    from synthgen.plan import plan_recipe

    planned = plan_recipe(settled.recipe)
    if as_json:
        sys.stdout.write(json.dumps(planned) + "\n")
        return
    console = Console()
    for note in settled.notes:
        console.print(Text(note))
    console.print(_counts(planned))
    if "privacy" in planned:
        console.print(_budget(planned["privacy"]))
    for kind, prompts in planned["prompts"].items():
        for label, prompt in prompts.items():
            console.print(Panel(Text(prompt), title=f"{kind.replace('_', ' ')}, {label}", title_align="left"))


def _budget(privacy: dict[str, Any]) -> Table:
    """Show what is promised and what it buys; the row ``verdict`` says when it buys little."""
    table = Table(title="privacy (for the owner of the private samples only)", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, value in privacy.items():
        if value not in ("", (), []):
            table.add_row(name.replace("_", " "), " ".join(value) if isinstance(value, list | tuple) else f"{value}")
    return table


def _counts(planned: dict[str, Any]) -> Table:
    table = Table(title=f"{planned['method']} on {planned['task']}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name in (
        "plms",
        "rounds",
        "samples",
        "samples_by_round",
        "from the pool",
        "requests",
        "tokens",
        "time",
        "memory",
        "loads",
        "stm",
    ):
        if name not in planned:
            continue
        value = planned[name]
        shown = ", ".join(f"{key} {one:,}" for key, one in value.items()) if isinstance(value, dict) else value
        table.add_row(name.replace("_", " "), ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown))
    return table
