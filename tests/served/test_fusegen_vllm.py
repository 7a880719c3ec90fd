"""Whole runs through real vLLM servers: the bundled GPT-2, Llama 2 and OPT, side by side on the CPU."""

import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from synthgen.api import execute
from synthgen.events import Event, Generated, Note
from synthgen.recipe import Recipe, make_recipe

pytestmark = pytest.mark.vllm


def recipe(**settings: object) -> Recipe:
    return make_recipe(
        {
            "task": "imdb",
            "plms": ("gpt2", "llama2", "opt"),
            "engine": "vllm",
            "samples": 32,
            "rounds": 1,
            "gold": "none",
            **settings,
        }
    )


def servers() -> list[psutil.Process]:
    """Return the vLLM servers this process has started, not what they have spawned."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if any(part.endswith("launch.py") for part in line) and not any(part.endswith("guard.py") for part in line):
            found.append(process)
    return found


def keys_of(run: Path) -> Counter[str]:
    """Count how often each request stands in the journals."""
    lines = [line for path in run.rglob("completions/*.jsonl") for line in path.read_text().splitlines()]
    return Counter(row["request"] for line in lines for row in json.loads(line))


def test_a_whole_run_with_prefix_cache_hits(tmp_path: Path) -> None:
    run = execute(recipe(), out=tmp_path / "r")
    table = pq.read_table(run.path / "dataset" / "train.parquet")
    assert Counter(table["plm"].to_pylist()) == {"gpt2": 32, "llama2": 32, "opt": 32}
    assert run.metrics["tokens"]["cached"] > 0
    assert run.metrics["loads"] == {"gpt2": 1, "llama2": 1, "opt": 1}
    assert {plm["engine"] for plm in run.manifest["plms"]} == {"vllm"}
    assert sorted(path.name for path in (run.path / "logs").iterdir()) == ["gpt2.log", "llama2.log", "opt.log"]
    assert servers() == []


def test_a_server_killed_in_the_middle_of_a_round(tmp_path: Path) -> None:
    heard: list[Event] = []
    killed = threading.Event()

    def watch(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Generated) and event.plm == "llama2" and event.waiting >= 20 and not killed.is_set():
            killed.set()
            (server,) = servers()
            os.kill(server.pid, signal.SIGKILL)

    run = execute(recipe(plms=("llama2",), samples=300, rounds=1), out=tmp_path / "r", observe=watch)
    assert killed.is_set()
    assert any(isinstance(event, Note) and "started again" in event.message for event in heard)
    assert run.metrics["samples"] == 300
    assert run.metrics["loads"] == {"llama2": 1}
    asked = keys_of(run.path)
    assert max(asked.values()) == 1
    assert servers() == []


def test_flan_t5_goes_through_transformers_and_says_so(tmp_path: Path) -> None:
    heard: list[Event] = []
    run = execute(recipe(plms=("flan-t5",), samples=8), out=tmp_path / "r", observe=heard.append)
    assert run.manifest["plms"][0]["engine"] == "transformers"
    assert any(isinstance(event, Note) and "encoder-decoders" in event.message for event in heard)
