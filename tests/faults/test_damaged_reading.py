"""Who reads a run whose files were damaged names the file, or reads what was written."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nursery import Nursery
from test_damaged_files import DAMAGES, SEED

from synthgen.errors import SynthgenError
from synthgen.runs.read import load_run

READ = [
    "recipe.yaml", "metrics.json", "manifest.json", "dataset/train.parquet", "rounds/00/samples.jsonl",
    "rounds/02/samples.jsonl", "rounds/01/demonstrations.json", "rounds/02/dynamics.parquet",
]  # fmt: skip
MATTERS = {"method", "samples", "rounds", "seed", "plms", "task"}


def all_that_is_read(folder: Path) -> list[Any]:
    """Return what reports and exports are made of."""
    run = load_run(folder)
    recipe = {name: value for name, value in run.recipe.work.items() if name in MATTERS}
    return [recipe, run.metrics, list(run.samples()), run.dynamics().to_pylist(), run.demonstrations()]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_is_named_by_who_reads_it(
    name: str, damage: Callable[[bytes, random.Random], bytes], undisturbed: Path, tmp_path: Path
) -> None:
    right, draw = all_that_is_read(undisturbed), random.Random(f"{SEED} {name} {damage.__name__}")
    shutil.copytree(undisturbed, tmp_path / "run")
    path = tmp_path / "run" / name
    for _ in range(5):
        path.write_bytes(damage((undisturbed / name).read_bytes(), draw))
        said = None
        try:
            found = all_that_is_read(tmp_path / "run")
        except SynthgenError as error:
            said = str(error)
        if said is None:
            assert found == right
        else:
            assert path.name in said
            assert "\n" not in said


def test_a_damaged_dataset_is_not_exported(nursery: Nursery, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(undisturbed, out)
    dataset = out / "dataset" / "train.parquet"
    data = dataset.read_bytes()
    dataset.write_bytes(data[: len(data) // 2])
    ended = nursery.run("export", out, "--format", "csv")
    assert ended.code in {1, 2}
    assert "train.parquet" in ended.sentence
    assert not (out / "exports").exists()
