"""Write a run's pictures, page and dataset card."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.report.accuracy import plot_accuracy
from synthgen.report.card import PICTURE, card_of_run
from synthgen.report.cartography import plot_cartography
from synthgen.report.evidence import read_evidence
from synthgen.report.page import report_html
from synthgen.report.ranking import SCORES
from synthgen.runs.files import write_bytes
from synthgen.runs.sample_table import SampleTable, found_in

if TYPE_CHECKING:
    import pyarrow as pa

    from synthgen.runs.read import Run


def write_report(run: "Run") -> None:
    """Write ``plots/``, ``report.html`` and ``dataset/README.md`` from what the run folder holds.

    Raises ``UserError`` where a file of it is damaged.
    """
    task = run.task
    recipe = {**run.recipe.model_dump(mode="json"), "task": task.model_dump(mode="json")}
    samples, dynamics = publishable(run.table(), run.dynamics(["plm", "label", *SCORES]), run.metrics)
    demonstrations = run.demonstrations()
    ids = [one["id"] for chosen in demonstrations for one in chosen]
    there = {id_ for id_, place in zip(ids, samples.places_of(ids).tolist(), strict=True) if place >= 0}
    page = report_html(
        recipe,
        # Written while the run is being closed: with its metrics it is complete.
        run.manifest | ({"status": "complete"} if run.metrics else {}),
        run.metrics,
        samples,
        dynamics,
        pictures=_pictures(run, dynamics, f"{run.recipe.method} on {task.name}"),
        demonstrations=[[one for one in chosen if one["id"] in there] for chosen in demonstrations],
        evidence=read_evidence(run.path),
    )
    write_bytes(run.path / "report.html", page.encode())
    picture = run.path / "dataset" / PICTURE
    picture.parent.mkdir(exist_ok=True)
    write_bytes(picture, (run.path / "plots" / "cartography.png").read_bytes())
    write_bytes(run.path / "dataset" / "README.md", card_of_run(run).encode())


def publishable(
    samples: SampleTable, dynamics: "pa.Table", metrics: Mapping[str, Any]
) -> tuple[SampleTable, "pa.Table"]:
    """Return the samples and dynamics that others may see.

    All of them, but where samples were taken out of the dataset because they resemble private texts: then those of the
    dataset (of a weight above 0) alone, for which others were taken out tells of these texts.
    """
    if not (metrics.get("decontamination") or {}).get("private"):
        return samples, dynamics
    kept = samples.taken(np.flatnonzero(samples.weight > 0))
    return kept, dynamics.take(np.flatnonzero(found_in(dynamics["id"].combine_chunks().cast("binary"), kept.ids) >= 0))


def _pictures(run: "Run", dynamics: "pa.Table", title: str) -> dict[str, Path]:
    plots = run.path / "plots"
    plots.mkdir(exist_ok=True)
    pictures = {"cartography": plots / "cartography.png"}
    plot_cartography(dynamics, pictures["cartography"], title=title)
    if run.metrics.get("accuracy") is not None:
        pictures["accuracy"] = plots / "accuracy.png"
        plot_accuracy(run.metrics, pictures["accuracy"])
    return pictures
