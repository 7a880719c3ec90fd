"""``export``: a run's dataset for fine-tuning tools and spreadsheets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthgen.export import Format


def export(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="As jsonl or csv, all columns; as alpaca, instruction, input, output; as sharegpt, conversations.",
        ),
    ] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="File to write, - for stdout; default: one in the run's exports folder.")
    ] = None,
    min_weight: Annotated[float, typer.Option(min=0, help="Leave out samples of less weight than this.")] = 0.0,
    instruction: Annotated[
        str | None,
        typer.Option(help="What each example asks (alpaca, sharegpt); default: made from the task and its labels."),
    ] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="CSV to open in a spreadsheet: an apostrophe before texts it would run as formulas."
        ),
    ] = False,
) -> None:
    """Write a run's dataset as JSON lines, CSV, or what fine-tuning tools read.

    Example: synthgen export runs/a --format alpaca --min-weight 0.5
    """
    from synthgen.export import default_path, export_run
    from synthgen.runs.read import load_run

    found = load_run(run)
    target = out or default_path(found, format_)
    to_stdout = str(target) == "-"
    done = export_run(
        found,
        format_,
        sys.stdout.buffer if to_stdout else target,
        min_weight=min_weight,
        instruction=instruction,
        spreadsheet=spreadsheet,
    )
    left = f" ({done.left_out:,} left out by their weight)" if done.left_out else ""
    sys.stderr.write(f"{done.rows:,} samples{left}.\n")
    if done.formulas and not spreadsheet:
        sys.stderr.write(
            f"{done.formulas:,} texts begin as formulas do; for a spreadsheet, export them with --spreadsheet.\n"
        )
    if not to_stdout:
        sys.stdout.write(f"{target}\n")
