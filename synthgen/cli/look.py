"""``evaluate``, ``cartography``, ``compare``: look at what runs and datasets are worth."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synthgen.cli import complete
from synthgen.cli import options as o

Where = Annotated[Path, typer.Argument(help="A run folder, or a dataset: Parquet, JSONL or a folder with Parquet.")]


def evaluate(
    dataset: Where,
    task: o.Task,
    gold: o.Gold = None,
    stm: o.StmOfDataset = "tfidf",
    reference: Annotated[
        Path | None,
        typer.Option(help="JSONL with text, perhaps label: tell how far the texts are from these."),
    ] = None,
    embedder: Annotated[
        str, typer.Option(help="What compares them: words, or a sentence-transformers model.")
    ] = "words",
    seed: o.Seed = 0,
    json_: o.Json = False,
) -> None:
    """Train a small task model on any dataset, score it on gold data, and measure the dataset's quality.

    Example: synthgen evaluate data.jsonl --task imdb --gold reviews.jsonl
    """
    from synthgen.datasets import evaluate_dataset
    from synthgen.report.quality_table import evaluation_table

    scored = evaluate_dataset(dataset, task, gold=gold, stm=stm, reference=reference, embedder=embedder, seed=seed)
    if json_:
        sys.stdout.write(json.dumps(scored) + "\n")
    else:
        Console().print(evaluation_table(scored))


def cartography(
    dataset: Where,
    task: Annotated[
        str | None, typer.Option(help="The dataset's task; a run knows its own.", autocompletion=complete.tasks)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write; default: beside the dataset.")] = None,
    stm: Annotated[str, typer.Option(help="Small task model, for a dataset that is not a run.")] = "tfidf",
) -> None:
    """Draw the dataset map: how sure the small model is of each sample while it learns, and how steadily.

    Example: synthgen cartography data.jsonl --task imdb --out map.png
    """
    from synthgen.datasets import dataset_dynamics
    from synthgen.report.cartography import COLUMNS, plot_cartography
    from synthgen.runs.read import load_run

    if (dataset / "recipe.yaml").is_file():
        dynamics, target = load_run(dataset).dynamics(COLUMNS), dataset / "plots" / "cartography.png"
    else:
        dynamics = dataset_dynamics(dataset, task, stm=stm)
        target = (dataset if dataset.is_dir() else dataset.parent) / "cartography.png"
    target = out or target
    target.parent.mkdir(parents=True, exist_ok=True)
    plot_cartography(dynamics, target, title=dataset.name)
    Console().print(str(target), soft_wrap=True, highlight=False)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders that hold runs, such as a study's.")],
    out: Annotated[
        Path | None, typer.Option(help="Picture to write, and beside it a page; default: comparison.png here.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Setting or method that the others are compared with; default: the study's, or the first."),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print runs and settings as one JSON object on stdout.")
    ] = False,
) -> None:
    """Compare runs: a table, a picture; runs that differ only in their seed are averaged, and paired by it.

    Example: synthgen compare runs/a runs/b --baseline a
    """
    from synthgen.report.arms import rows_of_runs
    from synthgen.report.comparison import FAIRNESS, aggregate_rows, difference_note
    from synthgen.report.comparison_page import write_comparison
    from synthgen.report.comparison_plot import plot_comparison
    from synthgen.report.quality_table import quality_table
    from synthgen.report.summary import comparison_table
    from synthgen.study import told_baseline

    rows = rows_of_runs(runs)
    groups = aggregate_rows(rows, baseline=baseline or told_baseline(runs))
    target = out or Path("comparison.png")
    page = target.with_suffix(".html")
    if out or not json_:
        plot_comparison(groups, target)
        write_comparison(rows, groups, page)
    if json_:
        sys.stdout.write(json.dumps({"runs": rows, "settings": groups, "note": FAIRNESS}) + "\n")
        return
    console = Console()
    console.print(comparison_table(groups))
    if measured := [(row["name"], row["quality"]) for row in groups if row["quality"]]:
        console.print("", quality_table(measured), sep="\n")
    console.print()
    shared = (
        "Texts taken from a pool cost nothing here; whoever wrote them paid." if any(r["pooled"] for r in rows) else ""
    )
    for sentence in (difference_note(groups), FAIRNESS, shared):
        if sentence:
            console.print(sentence, highlight=False, markup=False)
    for path in (target, page):
        console.print(str(path), soft_wrap=True, highlight=False)
