"""``evaluate``, ``cartography``, ``samples``, ``compare``: look at what runs and datasets are worth."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synthgen.cli import options as o

Where = Annotated[Path, typer.Argument(help="A run folder, or a dataset: Parquet, JSONL or a folder with Parquet.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder.")]


def evaluate(
    dataset: Where,
    task: o.Task,
    gold: o.Gold = None,
    stm: Annotated[str, typer.Option(help="Small task model: tfidf, or embedding:MODEL.")] = "tfidf",
    seed: o.Seed = 0,
    json_: o.Json = False,
) -> None:
    """Train a small task model on any dataset and score it on gold data."""
    from synthgen.datasets import evaluate_dataset

    scored = evaluate_dataset(dataset, task, gold=gold, stm=stm, seed=seed)
    if json_:
        sys.stdout.write(json.dumps(scored) + "\n")
        return
    of = scored["gold"]
    Console().print(
        f"accuracy [bold]{scored['accuracy']:.4f}[/] of {scored['stm']} trained on {scored['samples']} samples, "
        f"on {of['source']} ({of['size']} texts)",
        highlight=False,
    )


def cartography(
    dataset: Where,
    task: Annotated[str | None, typer.Option(help="The dataset's task; a run knows its own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write; default: beside the dataset.")] = None,
    stm: Annotated[str, typer.Option(help="Small task model, for a dataset that is not a run.")] = "tfidf",
) -> None:
    """Draw the dataset map: how sure the small model is of each sample while it learns, and how steadily."""
    from synthgen.datasets import dataset_dynamics
    from synthgen.report.cartography import plot_cartography
    from synthgen.runs.read import load_run

    if (dataset / "recipe.yaml").is_file():
        dynamics, target = load_run(dataset).dynamics(), dataset / "plots" / "cartography.png"
    else:
        dynamics = dataset_dynamics(dataset, task, stm=stm)
        target = (dataset if dataset.is_dir() else dataset.parent) / "cartography.png"
    target = out or target
    target.parent.mkdir(parents=True, exist_ok=True)
    plot_cartography(dynamics, target, title=dataset.name)
    Console().print(str(target), soft_wrap=True, highlight=False)


def samples(
    run: RunFolder,
    count: Annotated[int, typer.Option(min=1, help="Samples to show at each end.")] = 3,
    json_: o.Json = False,
) -> None:
    """Show the best and the worst samples of each PLM and label."""
    from synthgen.report.ranking import best_and_worst
    from synthgen.report.summary import samples_table
    from synthgen.runs.read import load_run

    loaded = load_run(run)
    groups = best_and_worst(loaded.samples(), loaded.dynamics(), count)
    if json_:
        sys.stdout.write(json.dumps(groups) + "\n")
    else:
        Console().print(samples_table(groups))


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path | None, typer.Option(help="Picture to write; default: comparison.png here.")] = None,
    json_: o.Json = False,
) -> None:
    """Compare runs: a table, a picture; runs that differ only in their seed are averaged."""
    from synthgen import api
    from synthgen.report.comparison import aggregate_rows
    from synthgen.report.comparison_plot import plot_comparison
    from synthgen.report.summary import comparison_table

    rows = api.compare(runs)
    groups = aggregate_rows(rows)
    if json_:
        sys.stdout.write(json.dumps({"runs": rows, "settings": groups}) + "\n")
        return
    target = out or Path("comparison.png")
    shown = groups if len(groups) < len(rows) else rows
    plot_comparison(shown, target)
    console = Console()
    console.print(comparison_table(shown))
    console.print(str(target), soft_wrap=True, highlight=False)
