"""Whole runs on a cluster: the dataset of a run on one machine, whatever is lost on the way."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ray_processes import kill, nodes_marked, processes
from waiting import wait_until

from synthgen import execute
from synthgen.events import Event, Generated, ignore
from synthgen.recipe import make_recipe
from synthgen.runs.folder import Resume

PLMS = ("llama2", "opt")
MARK = "SYNTHGEN_TEST_CLUSTER"


def run(
    out: Path, engine: str, observe: Callable[[Event], None] = ignore, resume: Resume = "never", **more: Any
) -> str:
    """Return the hash of the dataset that a run has written."""
    small = {"samples": 600, "rounds": 1, "gold": "none", "curate": False}
    recipe = make_recipe({"task": "imdb", "plms": PLMS, "engine": engine, **small, **more})
    execute(recipe, out=out, observe=observe, resume=resume)
    return digest(out)


def digest(out: Path) -> str:
    return sha256((out / "dataset" / "train.parquet").read_bytes()).hexdigest()


def answers(out: Path) -> Counter[str]:
    """Count the completions in a run's journals, by request."""
    lines = [line for path in out.glob("rounds/*/completions/*.jsonl") for line in path.read_text().splitlines()]
    return Counter(row["request"] for line in lines for row in json.loads(line))


def test_pocket_plms_write_the_same_dataset(ray_cluster: Any, tmp_path: Path) -> None:
    few = {"samples": 60, "plms": ("opt",)}
    assert run(tmp_path / "ray", "ray", **few) == run(tmp_path / "here", "transformers", **few)


@pytest.mark.parametrize("loss", ["writer", "node"])
def test_what_is_lost_is_written_again_and_nothing_twice(ray_cluster: Any, tmp_path: Path, loss: str) -> None:
    undisturbed = run(tmp_path / "here", "scripted")
    node = ray_cluster.add_node(num_cpus=2, object_store_memory=100 * 2**20) if loss == "node" else None
    batches = 0

    def strike(event: Event) -> None:
        nonlocal batches
        batches += isinstance(event, Generated)
        if batches == 3 and isinstance(event, Generated):
            if node:
                nodes = {writer.ppid() for writer in processes(ray_cluster, "ray::Writer")}
                assert len(nodes) == 2, "none is on that node"
                ray_cluster.remove_node(node, allow_graceful=False)
            else:
                writers = processes(ray_cluster, "ray::Writer")
                assert writers
                kill(writers)

    assert run(tmp_path / "ray", "ray:scripted", strike) == undisturbed
    assert batches > 3
    counts = answers(tmp_path / "ray")
    assert counts == answers(tmp_path / "here")
    assert set(counts.values()) == {1}


def test_a_run_begun_on_a_cluster_goes_on_without_one(ray_cluster: Any, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Generated) and event.waiting:
            raise StopIteration

    with pytest.raises(StopIteration):
        run(tmp_path / "run", "ray:scripted", stop)
    kept = answers(tmp_path / "run")
    assert kept
    assert run(tmp_path / "run", "scripted", resume="always") == run(tmp_path / "here", "scripted")
    assert set(answers(tmp_path / "run").values()) == {1}


def test_a_cluster_of_our_own_makes_no_noise_and_goes_away(ray_cluster: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        on_its_own(tmp_path / "own"), env=marked(tmp_path), capture_output=True, text=True, check=True
    )
    said = done.stdout + done.stderr
    assert "WARN" not in said.upper()
    assert "dataset_" not in said
    assert all(line.startswith(("Loading", " ")) or "Ray" not in line for line in said.splitlines()), said
    assert digest(tmp_path / "own") == run(tmp_path / "here", "scripted")
    wait_until(lambda: not nodes_marked(MARK, str(tmp_path)))


def test_a_killed_run_takes_its_own_cluster_along_and_goes_on(ray_cluster: Any, tmp_path: Path) -> None:
    out = tmp_path / "own"
    with subprocess.Popen(on_its_own(out), env=marked(tmp_path), stderr=subprocess.DEVNULL) as killed:
        # By their sizes: a line that is being written cannot be read yet.
        journals = "rounds/*/completions/*.jsonl"
        wait_until(lambda: any(path.stat().st_size for path in out.glob(journals)), seconds=300)
        killed.kill()
    assert answers(out)
    wait_until(lambda: not nodes_marked(MARK, str(tmp_path)))
    again = run(out, "scripted", resume="always")
    assert again == run(tmp_path / "here", "scripted")
    assert set(answers(out).values()) == {1}


def on_its_own(out: Path) -> list[str]:
    """Return the command of the run that ``run`` makes, on a cluster that it starts for itself."""
    options = "--task imdb --plms llama2,opt --engine ray:scripted --samples 600 --rounds 1 --gold none".split()
    return [sys.executable, "-m", "synthgen", "fusegen", *options, "--set", "curate=false", "--out", str(out)]


def marked(folder: Path) -> dict[str, str]:
    """Return the environment of such a command, with a mark that its nodes have too."""
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {MARK: str(folder)}
