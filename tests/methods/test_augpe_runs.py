"""Whole runs of private evolution through the Python API, with the scripted engine."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from evolving import TASK, ledger

from synthgen import execute
from synthgen.plms.engines import scripted
from synthgen.prompt import Prompt
from synthgen.recipe import make_recipe
from synthgen.records import Request


@pytest.fixture(scope="module")
def private_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("private") / "private.jsonl"
    rows = []
    for number in range(24):
        label = TASK.labels[number % 2]
        text = scripted.default_script(Request(f"p{number}", "", 0, label, "", number + 50_000))
        rows.append(json.dumps({"text": f"{text} canary{number}", "label": label}))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def run_recipe(private: Path, name: str, **settings: Any) -> Any:
    few = {"task": "imdb", "plms": ("gpt2", "opt"), "samples": 37, "rounds": 2, "engine": "scripted", "gold": "none"}
    privacy = {"noise": "insecure-test", **settings.pop("privacy", {})}
    return make_recipe({**few, "method": name, "private": (str(private),), "privacy": privacy, **settings})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("augpe", {}),
        ("augpe", {"vary": "blanks", "votes": 4, "keep_parents": False}),
        ("augpe", {"mechanism": "exponential", "release": "all"}),
        ("pe", {}),
        ("pe", {"mechanism": "exponential", "lookahead": False}),
    ],
)
def test_whole_runs(
    tmp_path: Path, private_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    def failing_now_and_then(request: Request) -> str:
        text = scripted.default_script(request)
        return "Too short." if request.seed % 5 == 0 else text

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(failing_now_and_then))
    recipe = run_recipe(private_file, name, options=options)
    run, again = (execute(recipe, out=tmp_path / out) for out in ("one", "two"))
    written = [
        json.loads(line)
        for folder in run.rounds()
        for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert Counter(one["plm"] for one in written) == {"gpt2": 37, "opt": 37}
    assert run.metrics["rejected_by_reason"]["too_short"] > 0

    populations = run.demonstrations()
    by_id = {one["id"]: one for one in written}
    for one in written:
        if one["round"]:
            assert one["parent"] in {member["id"] for member in populations[one["round"] - 1]}
            assert by_id[one["parent"]]["label"] == one["label"]
    for population in populations:
        times = Counter(dict.fromkeys(TASK.labels, 0))
        for member in population:
            times[member["label"]] += member["scores"]["times"]
        assert times == {"negative": 5, "positive": 5}

    table = pq.read_table(run.path / "dataset" / "train.parquet").to_pylist()
    if options.get("release") == "all":
        assert len(table) == 74
    else:
        mean = 10 / len(populations[-1])
        assert {row["id"]: row["weight"] for row in table} == pytest.approx(
            {member["id"]: member["scores"]["times"] / mean for member in populations[-1]}, rel=1e-4
        )
    assert (again.path / "dataset" / "train.parquet").read_bytes() == (
        run.path / "dataset" / "train.parquet"
    ).read_bytes()
    assert ledger(run.path)["spent"]["epsilon"] <= 4.0 * (1 + 1e-9)
    for file in run.path.rglob("*"):
        if file.is_file():
            assert b"canary" not in file.read_bytes(), file


def test_prompts_of_a_run_show_the_parent_they_name(
    tmp_path: Path, private_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after rejections: what is asked again is asked with the prompt of the parent that the sample will name."""
    asked: dict[str, Request] = {}

    def remembering(request: Request) -> str:
        asked[request.id] = request
        return "Too short." if request.seed % 3 == 0 else scripted.default_script(request)

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(remembering))
    run = execute(run_recipe(private_file, "augpe"), out=tmp_path / "r")
    texts, varied = {}, 0
    for folder in run.rounds():
        for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            texts[one["id"]] = one["text"]
            prompt = asked[one["request"]].prompt
            if one["round"]:
                varied += 1
                assert isinstance(prompt, Prompt)
                assert texts[one["parent"]] in prompt
    assert varied == 74 - 10
