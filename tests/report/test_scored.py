"""Samples of real small runs ranked by what their folders say; private files are gone before anything is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthgen import execute
from synthgen.errors import UserError
from synthgen.plms.engines import scripted
from synthgen.recipe import make_recipe
from synthgen.records import Request
from synthgen.report.judges import By
from synthgen.report.ranking import best_and_worst
from synthgen.report.released import by_votes, releases_of
from synthgen.report.scored import ranked_run
from synthgen.runs.read import Run, load_run

LABELS = ("negative", "positive")
FEW: dict[str, Any] = {
    "task": "imdb", "plms": ("gpt2", "opt"), "samples": 37, "rounds": 2, "engine": "scripted", "gold": "none",
    "demos": 4, "candidates": 12,
}  # fmt: skip


def made(folder: Path, method: str, **settings: Any) -> Run:
    """Run a method; the private file is deleted afterwards."""
    folder.mkdir(exist_ok=True)
    private = folder / "private.jsonl"
    if method in {"wasp", "augpe", "pcevolve"}:
        rows = []
        for number in range(24):
            label = LABELS[number % 2]
            text = scripted.default_script(Request(f"p{number}", "", 0, label, "", number + 50_000))
            rows.append(json.dumps({"text": text, "label": label}))
        private.write_text("\n".join(rows), encoding="utf-8")
        settings["private"] = (str(private),)
    run = execute(make_recipe({**FEW, "method": method, **settings}), out=folder / "run")
    private.unlink(missing_ok=True)
    return load_run(run.path)


def released(run: Run, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / f"rounds/{number:02d}/votes.json").read_text())["releases"]
    return found


def scores(run: Run, by: By, name: str) -> dict[str, float]:
    groups, _ = ranked_run(run, by=by, count=1000)
    return {one["sample"]["id"]: one[name] for group in groups for one in group["best"] + group["worst"]}


def left_out(run: Run, by: By) -> int:
    return sum(group["left_out"] for group in ranked_run(run, by=by)[0])


@pytest.mark.parametrize("number", [0, 1])
def test_closeness_is_what_wasp_itself_chose_by(tmp_path: Path, number: int) -> None:
    run = made(tmp_path, "wasp")
    samples = [sample for sample in run.samples() if sample["round"] <= number]
    found = by_votes(run, samples, LABELS, releases_of(run)).values["closeness"].tolist()
    known = {sample["id"]: value for sample, value in zip(samples, found, strict=True)}
    chosen = run.demonstrations()[number]
    assert chosen
    for row in chosen:
        sign = 1 if row["scores"]["role"] == "good" else -1
        assert known[row["id"]] == pytest.approx(sign * row["scores"]["votes"], rel=1e-9)
    groups, notes = ranked_run(run)
    assert {group["by"] for group in groups} == {"votes"}
    assert sum(group["size"] for group in groups) == run.metrics["samples"]
    assert "closeness" in notes[0]


@pytest.mark.parametrize("histogram", ["signed", "two"])
def test_votes_are_those_of_the_last_ballot(tmp_path: Path, histogram: str) -> None:
    run = made(tmp_path, "wasp", options={"release": "votes", "histogram": histogram})
    ballot = released(run, 1)["votes"]
    values = np.array(ballot["values"])
    if histogram == "two":
        values = values[: len(values) // 2] - values[len(values) // 2 :]
    assert scores(run, "auto", "votes") == dict(zip(ballot["samples"], values.tolist(), strict=True))
    unjudged = sum(sample["round"] == 2 for sample in run.samples())
    assert left_out(run, "votes") == unjudged > 0
    _, notes = ranked_run(run, by="votes")
    assert f"standard deviation of {ballot['sigma']:.3g}." in notes[0]
    assert notes[1].startswith(f"{unjudged} of {run.metrics['samples']} samples have no released value")


def test_a_sample_of_several_ballots_has_the_value_of_the_last(tmp_path: Path) -> None:
    run = made(tmp_path, "augpe")
    expected: dict[str, float] = {}
    for number in (1, 2):
        ballot = released(run, number)["votes"]
        expected |= dict(zip(ballot["samples"], ballot["values"], strict=True))
    assert set(released(run, 1)["votes"]["samples"]) & set(released(run, 2)["votes"]["samples"])
    assert scores(run, "votes", "votes") == expected
    assert left_out(run, "votes") == len(run.samples()) - len(expected)


def test_prototype_scores_that_were_released(tmp_path: Path) -> None:
    run = made(tmp_path, "pcevolve", options={"mechanism": "gaussian"})
    last = released(run, 1)["scores"]
    found = scores(run, "auto", "score")
    assert {id_: found[id_] for id_ in last["samples"]} == dict(zip(last["samples"], last["values"], strict=True))


def test_choices_are_no_values(tmp_path: Path) -> None:
    run = made(tmp_path, "pcevolve")
    with pytest.raises(UserError, match="without giving each sample a value"):
        ranked_run(run, by="votes")
    assert {group["by"] for group in ranked_run(run)[0]} == {"dynamics"}


def test_unprotected_runs_are_said_to_be(tmp_path: Path) -> None:
    run = made(tmp_path, "wasp", privacy={"enabled": False}, options={"release": "votes"})
    assert "not protected" in ranked_run(run)[1][0]


def test_without_private_samples_dynamics_judge(tmp_path: Path) -> None:
    run = made(tmp_path, "fusegen")
    groups, notes = ranked_run(run, count=4)
    assert groups == best_and_worst(run.samples(), run.dynamics(), 4)
    assert "between the small models of all PLMs" in notes[0]
    with pytest.raises(UserError, match="run of fusegen, in which no private samples vote"):
        ranked_run(run, by="votes")


def test_filters_change_what_is_shown_and_no_score(tmp_path: Path) -> None:
    run = made(tmp_path, "wasp")
    everything, _ = ranked_run(run)
    some, _ = ranked_run(run, plms=["opt"], labels=["positive"])
    assert some == [group for group in everything if (group["plm"], group["label"]) == ("opt", "positive")]
    assert len(some) == 1
    with pytest.raises(UserError, match=r"PLM 'otp'; did you mean opt\?"):
        ranked_run(run, plms=["opt", "otp"])
    with pytest.raises(UserError, match="label 'zzz'; it has negative, positive"):
        ranked_run(run, labels=["zzz"])


def test_influence_has_one_side(tmp_path: Path) -> None:
    run = made(tmp_path, "fusegen")
    expected: dict[str, float] = {}
    for chosen in run.demonstrations():
        expected |= {row["id"]: row["scores"]["influence"] for row in chosen}
    assert scores(run, "influence", "influence") == expected
    groups, notes = ranked_run(run, by="influence")
    assert not any(group["worst"] for group in groups)
    assert "there is no worst side" in notes[0]
    for group in groups:
        values = [one["influence"] for one in group["best"]]
        assert values == sorted(values)
    harmful, notes = ranked_run(made(tmp_path / "harm", "progen", options={"select": "harmful"}), by="influence")
    assert not any(group["best"] for group in harmful)
    assert any(group["worst"] for group in harmful)
    assert "there is no best side" in notes[0]


def test_weights_are_those_of_the_dataset(tmp_path: Path) -> None:
    run = made(tmp_path, "augpe")
    table = pq.read_table(run.path / "dataset/train.parquet", columns=["id", "weight"])
    held = dict(zip(table["id"].to_pylist(), table["weight"].to_pylist(), strict=True))
    assert scores(run, "weight", "weight") == {sample["id"]: held.get(sample["id"], 0.0) for sample in run.samples()}
    assert left_out(run, "weight") == 0
    equal = made(tmp_path / "equal", "zerogen")
    with pytest.raises(UserError, match="weigh the same"):
        ranked_run(equal, by="weight")
    with pytest.raises(UserError, match="chose nothing by influence"):
        ranked_run(equal, by="influence")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    run = made(tmp_path, "wasp")
    votes = run.path / "rounds/00/votes.json"
    whole = votes.read_text()
    told = json.loads(whole)
    told["releases"]["sums"]["values"].pop()
    votes.write_text(json.dumps(told))
    with pytest.raises(UserError, match="embedder words is not the one"):
        ranked_run(run, by="votes")
    groups, notes = ranked_run(run)
    assert {group["by"] for group in groups} == {"dynamics"}
    assert notes[0].startswith("Not by votes: The embedder")
    for damaged in (whole[:100], "[]", "{}", '{"releases": {"votes": {"samples": ["a"], "values": []}}}'):
        votes.write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            ranked_run(run, by="votes")
    (run.path / "metrics.json").unlink()
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        load_run(run.path)
    (run.path / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="not finished; continue it with"):
        ranked_run(load_run(run.path))
