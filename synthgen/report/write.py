"""Write a run's pictures, page and dataset card."""

from typing import TYPE_CHECKING

from synthgen.report.accuracy import plot_accuracy
from synthgen.report.card import dataset_card
from synthgen.report.cartography import plot_cartography
from synthgen.report.page import report_html
from synthgen.runs.files import write_bytes
from synthgen.tasks.registry import the_task

if TYPE_CHECKING:
    from synthgen.runs.read import Run


def write_report(run: "Run") -> None:
    """Write ``plots/``, ``report.html`` and ``dataset/README.md`` from what the run folder holds."""
    task = the_task(run.recipe.task, run.recipe.labels, run.recipe.about)
    recipe = {**run.recipe.model_dump(mode="json"), "task": task.model_dump(mode="json")}
    plots = run.path / "plots"
    plots.mkdir(exist_ok=True)
    dynamics = run.dynamics()
    pictures = {"cartography": plots / "cartography.png"}
    plot_cartography(dynamics, pictures["cartography"], title=f"{run.recipe.method} on {task.name}")
    if run.metrics.get("accuracy") is not None:
        pictures["accuracy"] = plots / "accuracy.png"
        plot_accuracy(run.metrics, pictures["accuracy"])
    page = report_html(
        recipe,
        run.manifest,
        run.metrics,
        run.samples(),
        dynamics,
        pictures=pictures,
        demonstrations=run.demonstrations(),
    )
    write_bytes(run.path / "report.html", page.encode())
    write_bytes(run.path / "dataset" / "README.md", dataset_card(recipe, run.manifest, run.metrics).encode())
