"""What every method keeps: its quotas, its seed, its journal, curation, and its hands off gold."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthgen import execute, load_run
from synthgen.assemble import assemble, describe
from synthgen.events import Event, RoundStarted, ignore
from synthgen.evolve import evolve
from synthgen.methods import METHODS
from synthgen.plms.engines import scripted
from synthgen.recipe import Recipe, make_recipe
from synthgen.records import Request
from synthgen.runs.folder import prepare_run
from synthgen.runs.read import Run
from synthgen.tasks.gold import Gold, Sealed
from synthgen.tasks.registry import load_task

PLMS = ("vicuna", "opt")
LABELS = ("negative", "positive")
NOISE = {"noise": "insecure-test"}
NO_PROMISE = {"enabled": False, "epsilon": float("inf")}


def write(path: Path, count: int, **more: Any) -> Path:
    """Write ``count`` scripted reviews, both labels in turn."""
    rows = []
    for number in range(count):
        label = LABELS[number % 2]
        request = Request(f"{path.stem}{number}", "other", 0, label, "", number + 50_000)
        rows.append(json.dumps({"text": scripted.default_script(request), "label": label, **more}))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write(folder / "gold.jsonl", 40)
    write(folder / "private.jsonl", 24)
    return folder


def recipe(method: str, files: Path, **settings: Any) -> Recipe:
    few: dict[str, Any] = {"samples": 20, "rounds": 2, "demos": 2, "candidates": 8, "gold": str(files / "gold.jsonl")}
    if METHODS[method].private:
        few |= {"private": (str(files / "private.jsonl"),), "privacy": NO_PROMISE if method == "rf" else NOISE}
    return make_recipe({"method": method, "task": "imdb", "plms": PLMS, "temperature": 1.2, **few, **settings})


def dataset(run: Run) -> str:
    return hashlib.sha256((run.path / "dataset" / "train.parquet").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def pocket(method: str, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with the bundled PLMs, offline."""
    return execute(recipe(method, files), out=tmp_path_factory.mktemp(method) / "run")


def test_quotas_are_filled_and_labels_balanced_in_every_round(pocket: Run) -> None:
    rounds = Counter(sample["round"] for sample in pocket.samples())
    assert sum(rounds.values()) == 40
    assert set(rounds) == {0, 1, 2}
    labels = Counter(sample["label"] for sample in pocket.samples())
    assert abs(labels["negative"] - labels["positive"]) <= 4
    metrics = pocket.metrics
    assert metrics["samples"] == sum(metrics["samples_by_plm"].values()) == sum(metrics["samples_by_label"].values())
    assert 0 <= metrics["accuracy"] <= 1
    assert len(metrics["accuracy_by_round"]) == 3
    assert set(metrics["accuracy_by_plm"]) == set(PLMS)


def test_accepted_texts_satisfy_the_task_and_differ(pocket: Run) -> None:
    texts = [sample["text"] for sample in pocket.samples()]
    assert len({text.lower() for text in texts}) == len(texts)
    assert all(len(text.split()) >= 8 and "<" not in text and '"' not in text for text in texts)


def test_what_was_shown_was_written_before(pocket: Run) -> None:
    written = {sample["id"]: sample["round"] for sample in pocket.samples()}
    for number, shown in enumerate(pocket.demonstrations()):
        assert all(written[one["id"]] <= number for one in shown)


def test_a_run_that_was_stopped_comes_out_the_same(pocket: Run, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, RoundStarted) and event.round == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(pocket.recipe, out=tmp_path / "run", observe=stop)
    assert load_run(tmp_path / "run").manifest["status"] == "interrupted"
    assert dataset(execute(pocket.recipe, out=tmp_path / "run", resume="always")) == dataset(pocket)


def test_the_seed_decides_and_nothing_else(method: str, files: Path, tmp_path: Path) -> None:
    runs = [
        execute(recipe(method, files, engine="scripted", seed=seed), out=tmp_path / name)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    first, second, other = map(dataset, runs)
    assert first == second != other


def test_a_pool_stands_in_for_zero_shot_texts_and_is_curated(method: str, files: Path, tmp_path: Path) -> None:
    rows = []
    for plm in PLMS:
        held = write(tmp_path / f"{plm}.jsonl", 60, plm=plm).read_text(encoding="utf-8").splitlines()
        junk = {"text": "The film <C> was something that one may well see.", "label": "positive", "plm": plm}
        rows += [*held, json.dumps(junk)]
    pool = tmp_path / "pool.jsonl"
    pool.write_text("\n".join(rows), encoding="utf-8")
    run = execute(recipe(method, files, engine="scripted", pool=(str(pool),)), out=tmp_path / "run")
    first = [sample for sample in run.samples() if sample["round"] == 0]
    assert first
    assert all(sample["request"].startswith("pool-") for sample in first)
    known = {json.loads(row)["text"] for row in rows}
    assert {sample["text"] for sample in first} <= known
    assert not any("<C>" in sample["text"] for sample in run.samples())
    later = [sample for sample in run.samples() if sample["round"]]
    assert all(sample["request"].startswith("pool-") for sample in later) == (not METHODS[method].feedback)


def test_gold_is_unreadable_until_the_last_choice_is_made(method: str, files: Path, tmp_path: Path) -> None:
    wanted = recipe(method, files, engine="scripted")
    parts = assemble(wanted)
    chosen: list[str] = []

    class Locked(Sealed):
        def open(self) -> Gold:
            assert chosen, "gold was read before the last choice"
            return super().open()

    weigh = parts.method.weigh

    def weigh_and_unlock(samples: Any) -> Any:
        result = weigh(samples)
        chosen.append("weights")
        return result

    parts.method.weigh = weigh_and_unlock  # type: ignore[method-assign]
    assert parts.gold is not None
    locked = replace(parts, gold=Locked(parts.gold.open()))
    with prepare_run(wanted, describe(wanted, locked), out=tmp_path / "run", resume="never") as run:
        metrics = evolve(wanted, locked, run, ignore)
    assert metrics["accuracy"] is not None


def test_the_example_prompt_asks_for_the_label(method: str, files: Path) -> None:
    task = load_task("imdb")
    parts = assemble(recipe(method, files, engine="scripted"))
    for label in task.labels:
        assert label in parts.method.example(label)
