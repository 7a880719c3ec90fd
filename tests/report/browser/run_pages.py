"""Pages of invented runs, and where their samples lie on the screen."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from reporting import MANIFEST, METRICS, RECIPE, dynamics, sample_rows

from synthgen.report.accuracy import plot_accuracy
from synthgen.report.cartography import plot_cartography
from synthgen.report.evidence import Evidence
from synthgen.report.page import report_html

PLMS = ["gpt2", "opt", "vicuna"]
# The margins of the plot inside the element "map", in CSS pixels.
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 44
STEPS = ["0–0.2", "0.2–0.4", "0.4–0.6", "0.6–0.8", "0.8–1"]

EVIDENCE = Evidence(
    rejected={0: {"duplicate": 2}, 1: {"too_short": 7, "duplicate": 3}, 2: {"duplicate": 1}},
    examples={"too_short": [{"text": "Bad.", "reason": "too_short", "request": "01-opt-negative-00003"}]},
    votes={
        0: {"releases": {"owners": {"values": [3, -0.5, 9]}}, "plm_weights": {"gpt2": 0.3, "opt": 0.1, "vicuna": 0.6}},
        1: {"releases": {"owners": {"values": [1, 2, 4]}}, "plm_weights": {"gpt2": 0.2, "opt": 0.3, "vicuna": 0.5}},
    },
    ledger={
        "promised": {"epsilon": 4.0, "delta": 1e-5, "adjacency": "add-remove one record", "noise": "system"},
        "spent": {"epsilon": 3.0, "delta": 1e-5},
        "releases": [
            {"name": "00 owners", "mechanism": "gaussian", "cost": 0.5, "detail": {}, "made": True},
            {"name": "01 owners", "mechanism": "gaussian", "cost": 0.5, "detail": {}, "made": True},
        ],
    },
)  # fmt: skip


def invented(n: int = 36, plms: Sequence[str] = PLMS) -> tuple[list[dict[str, Any]], pa.Table]:
    learned = dynamics(plms, n)
    return sample_rows(learned), learned


def run_page(
    samples: Sequence[Mapping[str, Any]],
    learned: pa.Table,
    *,
    folder: Path | None = None,
    chosen: Sequence[Sequence[Mapping[str, Any]]] = (),
    recipe: Mapping[str, Any] = RECIPE,
) -> str:
    pictures = {}
    if folder:
        pictures = {name: folder / f"{name}.png" for name in ("cartography", "accuracy")}
        plot_cartography(learned, pictures["cartography"])
        plot_accuracy(METRICS, pictures["accuracy"])
    manifest = {**MANIFEST, "plms": [{"name": name} for name in dict.fromkeys(one["plm"] for one in samples)]}
    return report_html(recipe, manifest, METRICS, samples, learned, pictures, chosen, EVIDENCE)


def places(page: Any, learned: pa.Table) -> list[tuple[float, float]]:
    """Return where each row of ``learned`` is drawn, relative to the top left corner of the element "map"."""
    box = page.locator("#map").bounding_box()
    variability, confidence = learned["variability"].to_pylist(), learned["confidence"].to_pylist()
    widest = math.ceil(max(0.1, 1.03 * max(variability)) * 50) / 50
    wide, high = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
    return [(LEFT + wide * x / widest, TOP + high * (1 - y)) for x, y in zip(variability, confidence, strict=True)]


def alone(at: Sequence[tuple[float, float]], reach: float = 24) -> list[int]:
    """Return the samples that have no other within ``reach`` pixels."""
    return [
        index
        for index, place in enumerate(at)
        if all(math.dist(place, other) > reach for which, other in enumerate(at) if which != index)
    ]


def step_of(correctness: float) -> int:
    return min(len(STEPS) - 1, math.floor(correctness * len(STEPS) + 1e-4))
