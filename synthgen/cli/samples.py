"""``samples``: the best and the worst samples of a run, side by side."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synthgen.cli import options as o
from synthgen.report.judges import By


def samples(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    by: Annotated[
        By, typer.Option(help="What judges them; auto: votes where private samples gave such, else dynamics.")
    ] = "auto",
    count: Annotated[int, typer.Option(min=1, help="Samples to show at each end.")] = 3,
    plm: Annotated[list[str] | None, typer.Option(help="Only this PLM's; repeat it for more.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only this label's; repeat it for more.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write too: .jsonl, .csv or .md.")] = None,
    json_: o.Json = False,
) -> None:
    """Show the best samples of each pre-trained language model (PLM) and label, with the worst beside them.

    Example: synthgen samples runs/a --by weight --count 10
    """
    from synthgen.report.samples_file import check_suffix, write_samples
    from synthgen.report.samples_table import samples_table
    from synthgen.report.scored import ranked_run
    from synthgen.runs.read import load_run

    if out:
        check_suffix(out)
    groups, notes = ranked_run(load_run(run), by=by, count=count, plms=plm or (), labels=label or ())
    if out:
        write_samples(out, groups, notes)
    if json_:
        sys.stdout.write(json.dumps(groups) + "\n")
        return
    console = Console()
    console.print(samples_table(groups))
    for note in notes:
        console.print(note, highlight=False, markup=False)
    if out:
        console.print(str(out), soft_wrap=True, highlight=False, markup=False)
