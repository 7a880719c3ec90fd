"""Every bundled task makes a whole run: the scripted engine's texts pass its rules, and its dataset loads."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synthgen.api import execute
from synthgen.recipe import make_recipe
from synthgen.tasks.registry import load_task, task_names


@pytest.mark.parametrize("name", task_names())
def test_a_run_on_the_scripted_engine(name: str, tmp_path: Path) -> None:
    task = load_task(name)
    each = 4 * max(len(task.labels), 10)
    few = {"rounds": 1, "demos": 2, "candidates": 4, "gold": "none", "engine": "scripted"}
    run = execute(make_recipe({"task": name, "plms": ["gpt2", "opt"], "samples": each, **few}), out=tmp_path / "run")
    table = pq.read_table(tmp_path / "run" / "dataset" / "train.parquet")
    assert len(table) == 2 * each, "nothing is missing"
    counts = Counter(row["label"] for row in run.samples())
    assert set(counts) == set(task.labels)
    assert max(counts.values()) - min(counts.values()) <= 4, "balanced within each PLM's rounds"
    assert ("text_pair" in table.column_names) == (task.first is not None)
    assert ("attribute" in table.column_names) == (task.attributes is not None)
    if task.attributes:
        assert set(table["attribute"].to_pylist()) == set(task.attributes.values)
    for other, sign in task.curate.has.items():
        assert all((sign in row["text"]) == (row["label"] == other) for row in run.samples())
