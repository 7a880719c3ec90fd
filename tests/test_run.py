"""A whole run through the Python API with the scripted engine: what design.md §6 promises."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synthgen import execute, load_run
from synthgen.errors import SynthgenError
from synthgen.events import Event, Note
from synthgen.plms.engines import scripted
from synthgen.recipe import Recipe, make_recipe
from synthgen.records import Request
from synthgen.runs.read import Run

PLMS = ("gpt2", "llama2", "opt")


def recipe(**settings: Any) -> Recipe:
    small = {"samples": 50, "rounds": 2, "demos": 4, "candidates": 16, "engine": "scripted", "gold": "none"}
    return make_recipe({"task": "imdb", "plms": PLMS, **small, **settings})


@pytest.fixture(scope="module")
def gold_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gold") / "gold.jsonl"
    rows = []
    for number in range(40):
        label = ("negative", "positive")[number % 2]
        request = Request(f"g{number}", "gold", 0, label, "", number + 10_000)
        rows.append(json.dumps({"text": scripted.default_script(request), "label": label}))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, gold_file: Path) -> Run:
    return execute(recipe(gold=str(gold_file)), out=tmp_path_factory.mktemp("run") / "r")


def test_every_promised_file_is_there(run: Run) -> None:
    for name in (
        "recipe.yaml", "manifest.json", "metrics.json", "report.html", "log.txt",
        "dataset/train.parquet", "dataset/README.md", "plots/cartography.png", "plots/accuracy.png",
    ):  # fmt: skip
        assert (run.path / name).stat().st_size > 0, name
    for number in range(3):
        for name in ("samples.jsonl", "rejected.jsonl", "demonstrations.json", "dynamics.parquet"):
            assert (run.path / "rounds" / f"{number:02d}" / name).is_file()


def test_quotas_are_exact_and_balanced(run: Run) -> None:
    assert run.metrics["samples"] == 150
    assert run.metrics["samples_by_plm"] == dict.fromkeys(PLMS, 50)
    assert run.metrics["samples_by_label"] == {"negative": 75, "positive": 75}
    by_round = Counter((sample["plm"], sample["round"], sample["label"]) for sample in run.samples())
    assert set(by_round.values()) <= {8, 9}


def test_metrics_have_the_promised_fields(run: Run) -> None:
    metrics = run.metrics
    assert metrics["accuracy"] > 0.9, "the script's labels are easy to tell apart"
    assert len(metrics["accuracy_by_round"]) == 3
    assert set(metrics["accuracy_by_plm"]) == set(PLMS)
    assert set(metrics["tokens"]) == {"prompt", "completion", "cached"}
    assert set(metrics["seconds"]) == {"generate", "curate", "learn", "select", "evaluate", "total"}
    assert metrics["gold"] == {"source": "file:gold.jsonl", "size": 40}


def test_the_dataset_loads_as_it_is(run: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(run.path / "dataset"), split="train", cache_dir=str(tmp_path))
    assert loaded.features["label"].names == ["negative", "positive"]
    assert loaded.num_rows == 150
    assert sum(loaded["weight"]) / 150 == pytest.approx(1, abs=1e-4)
    assert set(loaded.column_names) == {"text", "label", "weight", "plm", "round", "id"}
    assert len(set(loaded["id"])) == 150


def test_dynamics_hold_a_row_a_sample(run: Run) -> None:
    for number, folder in enumerate(run.rounds()):
        table = pq.read_table(folder / "dynamics.parquet")
        assert table.num_rows == sum(sample["round"] <= number for sample in run.samples())
        for name in ("confidence", "correctness", "cross_model_confidence"):
            assert all(0 <= value <= 1 for value in table[name].to_pylist())
        for row in table.to_pylist():
            assert sum(row["epoch_probabilities"]) / len(row["epoch_probabilities"]) == pytest.approx(row["confidence"])


def test_demonstrations_are_renewed_balanced_and_shown(run: Run) -> None:
    chosen = run.demonstrations()
    assert [len(demonstrations) for demonstrations in chosen] == [4, 4, 4]
    ids = [frozenset(demonstration["id"] for demonstration in demonstrations) for demonstrations in chosen]
    assert len(set(ids)) == 3
    for demonstrations in chosen:
        assert Counter(one["label"] for one in demonstrations) == {"negative": 2, "positive": 2}
        assert all({"influence", "variability", "confidence"} <= set(one["scores"]) for one in demonstrations)
    known = {sample["id"]: sample["round"] for sample in run.samples()}
    assert all(known[one["id"]] <= number for number, some in enumerate(chosen) for one in some)


def test_the_same_recipe_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    again = execute(run.recipe, out=tmp_path / "again")
    other = execute(run.recipe.model_copy(update={"seed": 1}), out=tmp_path / "other")
    hashes = [
        hashlib.sha256((one.path / "dataset" / "train.parquet").read_bytes()).hexdigest() for one in (run, again, other)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_written_recipe_repeats_the_run(run: Run) -> None:
    assert load_run(run.path).recipe == run.recipe


def test_one_plm_uses_its_training_dynamics_and_says_so(tmp_path: Path) -> None:
    heard: list[Event] = []
    alone = execute(recipe(plms=("opt",)), out=tmp_path / "r", observe=heard.append)
    assert any(isinstance(event, Note) and "training dynamics" in event.message for event in heard)
    assert pq.read_table(alone.rounds()[-1] / "dynamics.parquet")["cross_model_variability"].null_count == 50


@pytest.mark.parametrize("select", ["influence", "cartography", "random"])
@pytest.mark.parametrize("weigh", ["adjust", "uniform"])
def test_ablations_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, select: str, weigh: str) -> None:
    def noisy(request: Request) -> str:
        label = "positive" if request.seed % 7 == 0 else request.label
        return scripted.default_script(Request("", "", 0, label, "", request.seed))

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(noisy))
    ablated = execute(recipe(options={"select": select, "weigh": weigh}, rounds=1), out=tmp_path / "r")
    weights = {sample["weight"] for sample in ablated.samples()}
    assert (weights == {1.0}) == (weigh == "uniform")


def test_no_feedback_is_zero_rounds(tmp_path: Path) -> None:
    plain = execute(recipe(rounds=0), out=tmp_path / "r")
    assert plain.metrics["samples"] == 150
    assert {sample["round"] for sample in plain.samples()} == {0}


def test_a_plm_that_only_repeats_itself_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(lambda request: "No words of any use.")
    )
    with pytest.raises(SynthgenError, match=r"No text was accepted for .* too_short"):
        execute(recipe(attempts=2), out=tmp_path / "r")
    assert load_run(tmp_path / "r").manifest["status"] == "failed"


def test_a_shortfall_is_told_and_never_filled_with_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(request: Request) -> str:
        return scripted.default_script(Request("", "", 0, request.label, "", request.seed % 30))

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(few))
    heard: list[Event] = []
    short = execute(recipe(attempts=3), out=tmp_path / "r", observe=heard.append)
    texts = [sample["text"] for sample in short.samples()]
    assert len(texts) == len(set(texts)) < 150
    assert any(isinstance(event, Note) and "short after 3 attempts" in event.message for event in heard)
    assert short.metrics["rejected_by_reason"]["duplicate"] > 0


def test_a_complete_run_that_is_resumed_says_what_it_took_the_first_time(tmp_path: Path) -> None:
    recipe = make_recipe({"task": "imdb", "plms": ["gpt2", "opt"], "engine": "scripted", "samples": 20, "rounds": 1,
                          "demos": 2, "candidates": 4, "gold": "none"})  # fmt: skip
    execute(recipe, out=tmp_path / "run")
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("manifest.json", "metrics.json")}
    execute(recipe, out=tmp_path / "run", resume="always")
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
