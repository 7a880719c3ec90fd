"""A resume takes what is whole, does the rest again, and comes to the same dataset."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen import execute
from synthgen.errors import UserError
from synthgen.events import Event, Note, RoundEnded, RoundStarted, StageStarted
from synthgen.recipe import Recipe, make_recipe
from synthgen.runs.read import Run

ROUNDS = 2
STAGES = ["generate", "learn", "select"]


class StoppedError(Exception):
    """Stands for whatever ends a run."""


def recipe(**settings: Any) -> Recipe:
    small = {"samples": 36, "rounds": ROUNDS, "demos": 4, "candidates": 16, "engine": "scripted"}
    return make_recipe({"task": "imdb", "plms": ("gpt2", "opt"), **small, **settings})


def outcome(run: Run) -> tuple[bytes, dict[str, Any]]:
    metrics = {name: value for name, value in run.metrics.items() if name != "seconds"}
    return (run.path / "dataset" / "train.parquet").read_bytes(), metrics


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(recipe(), out=tmp_path_factory.mktemp("undisturbed") / "r")


def stopping(when: Callable[[Event], bool]) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        if when(event):
            raise StoppedError

    return observe


def at(round: int, stage: str) -> Callable[[Event], bool]:
    """Tell when a stage of a round begins."""
    now = [-1]

    def reached(event: Event) -> bool:
        if isinstance(event, RoundStarted):
            now[0] = event.round
        return isinstance(event, StageStarted) and (now[0], event.stage) == (round, stage)

    return reached


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("round", range(ROUNDS + 1))
def test_whole_rounds_are_not_done_again(round: int, stage: str, undisturbed: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(round, stage)))
    heard: list[Event] = []
    resumed = execute(recipe(), out=tmp_path / "r", resume="always", observe=heard.append)
    assert [event.round for event in heard if isinstance(event, RoundStarted)] == [*range(round, ROUNDS + 1)]
    assert any(isinstance(event, Note) and "taken as written" in event.message for event in heard) == (round > 0)
    assert outcome(resumed) == outcome(undisturbed)
    assert resumed.demonstrations() == undisturbed.demonstrations()


@pytest.mark.parametrize(
    "settings", [{"method": "zerogen"}, {"method": "progen"}, {"method": "sungen"}, {"curate": False}], ids=str
)
def test_every_method_without_private_samples_goes_on_from_its_samples_alone(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    asked = recipe(**settings, gold="none")
    whole = execute(asked, out=tmp_path / "whole")
    with pytest.raises(StoppedError):
        execute(asked, out=tmp_path / "r", observe=stopping(at(ROUNDS, "generate")))
    resumed = execute(asked, out=tmp_path / "r", resume="always")
    assert outcome(resumed) == outcome(whole)


def test_a_resume_in_the_last_stage_scores_every_round_as_before(undisturbed: Run, tmp_path: Path) -> None:
    last = stopping(lambda event: isinstance(event, RoundEnded) and event.round == ROUNDS)
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=last)
    heard: list[Event] = []
    resumed = execute(recipe(), out=tmp_path / "r", resume="always", observe=heard.append)
    assert not [event for event in heard if isinstance(event, RoundStarted)]
    assert outcome(resumed) == outcome(undisturbed)


@pytest.mark.parametrize(
    "name", ["samples.jsonl", "rejected.jsonl", "demonstrations.json", "dynamics.parquet", "state.npz", "state.json"]
)
def test_a_damaged_round_is_done_again_and_said(name: str, undisturbed: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(ROUNDS, "learn")))
    path = tmp_path / "r" / "rounds" / "01" / name
    data = bytearray(path.read_bytes() or b"x")
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    heard: list[Event] = []
    resumed = execute(recipe(), out=tmp_path / "r", resume="always", observe=heard.append)
    assert [event.round for event in heard if isinstance(event, RoundStarted)] == [1, 2]
    assert any(isinstance(event, Note) and "not as they were written" in event.message for event in heard)
    assert outcome(resumed) == outcome(undisturbed)


def test_rounds_behind_one_that_is_done_again_are_never_taken_as_they_are(undisturbed: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(ROUNDS, "learn")))
    (tmp_path / "r" / "rounds" / "00" / "samples.jsonl").unlink()
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", resume="always", observe=stopping(at(1, "generate")))
    heard: list[Event] = []
    resumed = execute(recipe(), out=tmp_path / "r", resume="always", observe=heard.append)
    assert [event.round for event in heard if isinstance(event, RoundStarted)] == [1, 2]
    assert outcome(resumed) == outcome(undisturbed)


def test_a_state_of_another_format_is_left_alone(undisturbed: Run, tmp_path: Path) -> None:
    from synthgen.runs.files import seal

    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(1, "generate")))
    folder = tmp_path / "r" / "rounds" / "00"
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({"format": state["format"] + 1}))
    seal(folder, [path.name for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS"])
    assert outcome(execute(recipe(), out=tmp_path / "r", resume="always")) == outcome(undisturbed)


def test_a_pool_is_not_taken_from_twice(undisturbed: Run, tmp_path: Path) -> None:
    from_pool = recipe(method="zerogen", pool=(str(undisturbed.path),), gold="none", samples=24)
    whole = execute(from_pool, out=tmp_path / "whole")
    with pytest.raises(StoppedError):
        execute(from_pool, out=tmp_path / "r", observe=stopping(at(1, "learn")))
    assert outcome(execute(from_pool, out=tmp_path / "r", resume="always")) == outcome(whole)


def test_a_complete_run_is_left_as_it_is_while_it_is_whole(undisturbed: Run, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.path, out := tmp_path / "r")
    heard: list[Event] = []
    execute(recipe(), out=out, resume="always", observe=heard.append)
    assert any(isinstance(event, Note) and "nothing left to do" in event.message for event in heard)
    assert not [event for event in heard if isinstance(event, StageStarted)]
    (out / "report.html").unlink()
    execute(recipe(), out=out, resume="always")
    assert (out / "report.html").is_file()
    for name in ("dataset/train.parquet", "metrics.json", "rounds/01/samples.jsonl"):
        (out / name).write_bytes((out / name).read_bytes()[:-9])
        assert outcome(execute(recipe(), out=out, resume="always")) == outcome(undisturbed)


def test_seconds_add_up_over_the_parts_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(ROUNDS, "generate")))
    state = json.loads((tmp_path / "r" / "rounds" / f"{ROUNDS - 1:02d}" / "state.json").read_text())
    resumed = execute(recipe(), out=tmp_path / "r", resume="always")
    assert all(
        resumed.metrics["seconds"][stage] >= state["seconds"][stage] for stage in ("generate", "learn", "select")
    )
    seconds = resumed.metrics["seconds"]
    assert seconds["total"] >= sum(seconds[stage] for stage in ("generate", "learn", "select"))


def gold_file(path: Path, texts: int) -> Path:
    rows = [
        {"text": f"A film of number {number}.", "label": ("negative", "positive")[number % 2]}
        for number in range(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_gold_that_changed_is_refused(tmp_path: Path) -> None:
    measured = recipe(gold=str(gold_file(tmp_path / "gold.jsonl", 20)))
    with pytest.raises(StoppedError):
        execute(measured, out=tmp_path / "r", observe=stopping(at(1, "generate")))
    gold_file(tmp_path / "gold.jsonl", 22)
    with pytest.raises(UserError, match=r"gold data \(file:gold.jsonl\) is not what the run in .* began with"):
        execute(measured, out=tmp_path / "r", resume="always")
    gold_file(tmp_path / "gold.jsonl", 20)
    assert execute(measured, out=tmp_path / "r", resume="always").metrics["gold"]["size"] == 20


def test_another_version_goes_on_and_says_so_unless_it_writes_other_folders(undisturbed: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        execute(recipe(), out=tmp_path / "r", observe=stopping(at(1, "generate")))
    path = tmp_path / "r" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["synthgen"] = "0.0.1"
    path.write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(UserError, match=r"written by synthgen 0\.0\.1, whose runs this one cannot go on with"):
        execute(recipe(), out=tmp_path / "r", resume="always")
    path.write_text(json.dumps(manifest))
    heard: list[Event] = []
    resumed = execute(recipe(), out=tmp_path / "r", resume="always", observe=heard.append)
    assert any(isinstance(event, Note) and "begun by synthgen 0.0.1" in event.message for event in heard)
    assert outcome(resumed) == outcome(undisturbed)
