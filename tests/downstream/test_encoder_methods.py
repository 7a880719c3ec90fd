"""Methods that learn with a fine-tuned encoder: what they ask of an STM, it can do."""

from pathlib import Path

import numpy as np
import pytest

from synthgen import execute
from synthgen.recipe import make_recipe


@pytest.mark.parametrize(
    ("method", "options"),
    [("fusegen", {"updates": 3}), ("progen", {}), ("sungen", {"iterations": 3}), ("zerogen", {})],
)
def test_a_whole_run_with_an_encoder(method: str, options: dict[str, int], tiny_bert: Path, tmp_path: Path) -> None:
    recipe = make_recipe(
        {
            "method": method,
            "task": "imdb",
            "plms": ("gpt2", "opt"),
            "samples": 20,
            "rounds": 1,
            "demos": 2,
            "candidates": 8,
            "engine": "scripted",
            "gold": "none",
            "stm": f"encoder:{tiny_bert}",
            "stm_options": {"epochs": 2, "max_length": 32},
            "options": options,
        }
    )
    run = execute(recipe, out=tmp_path / "run")
    assert run.metrics["samples"] == 40
    dynamics = run.dynamics().to_pylist()
    assert all(len(row["epoch_probabilities"]) == 2 for row in dynamics)
    assert all(np.isfinite(row["confidence"]) for row in dynamics)
    if method in {"fusegen", "progen"}:
        scores = [one["scores"]["influence"] for one in run.demonstrations()[0]]
        assert scores
        assert np.isfinite(scores).all()
    if method == "sungen":
        weights = [sample["weight"] for sample in run.samples()]
        assert len(set(weights)) > 1
        assert np.mean(weights) == pytest.approx(1, abs=1e-4)
