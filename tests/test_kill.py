"""A run killed at a random moment resumes to the same dataset, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthgen.recipe import make_recipe


@pytest.mark.parametrize(("engine", "samples", "times"), [("scripted", 120, 20), ("auto", 12, 3)])
def test_killed_runs_resume_to_the_same_dataset(tmp_path: Path, engine: str, samples: int, times: int) -> None:
    settings = {"samples": samples, "rounds": 2, "demos": 4, "candidates": 12, "gold": "none", "engine": engine}
    recipe = make_recipe({"task": "imdb", "plms": ("llama2", "opt"), **settings})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    seed = int.from_bytes(os.urandom(4))
    command = [sys.executable, str(Path(__file__).with_name("killed.py"))]
    arguments = [str(tmp_path / "recipe.yaml"), str(tmp_path), str(times), str(seed)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True, env={**os.environ, **threads})
    assert ran.returncode == 0, f"seed {seed}: {ran.stderr[-2000:]}"
    hashes = [line for line in ran.stdout.splitlines() if not line.startswith("#")]
    assert len(hashes) == times + 1
    assert len(set(hashes)) == 1, f"seed {seed}: {hashes}"
