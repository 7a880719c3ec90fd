"""PCEvolve: whole runs with the scripted engine, and its own decisions."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen import execute
from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.events import Event, Note
from synthgen.methods.pcevolve import PCEvolve, medoids
from synthgen.plms.engines.scripted import default_script
from synthgen.privacy.prototypes import noised_selectivity, selectivity
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.prompt import Prompt
from synthgen.recipe import Recipe, make_recipe
from synthgen.records import Request, Sample
from synthgen.runs.read import Run
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
PLMS = ("gpt2", "opt")
PARTY = [("a film that glows", 0), ("a film that drags", 1), ("songs and joy", 0), ("mud and gloom", 1)]
MakeVault = Callable[..., Vault]


def write_texts(path: Path, count: int, seed: int) -> str:
    rows = []
    for number in range(count):
        label = TASK.labels[number % 2]
        rows.append({"text": default_script(Request("", "", 0, label, "", seed + number)), "label": label})
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a private and a gold file."""
    folder = tmp_path_factory.mktemp("files")
    return write_texts(folder / "private.jsonl", 20, 50_000), write_texts(folder / "gold.jsonl", 40, 90_000)


def recipe(files: tuple[str, str], **settings: Any) -> Recipe:
    few = {"task": "imdb", "plms": PLMS, "samples": 36, "rounds": 2, "demos": 1, "engine": "scripted"}
    return make_recipe({**few, "method": "pcevolve", "private": files[:1], "gold": files[1], **settings})


def method(vault: Vault, **settings: Any) -> PCEvolve:
    few: dict[str, Any] = {"task": "imdb", "plms": PLMS, "samples": 300, "rounds": 2, "method": "pcevolve"}
    made = make_recipe({**few, **settings})
    return PCEvolve(made, TASK, list(made.plms), make_stm("tfidf", seed=0), vault)


def written(run: Run) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for folder in run.rounds()
        for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def rounds_of_dataset(run: Run) -> set[int]:
    return set(pq.read_table(run.path / "dataset" / "train.parquet")["round"].to_pylist())


def ledger(run: Run) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((run.path / "ledger.json").read_text())
    return held


@pytest.mark.parametrize(
    ("options", "releases"),
    [
        ({}, 4),
        ({"prototypes": 3, "medoids": 5, "accounting": "pure"}, 12),
        ({"mechanism": "gaussian", "prototypes": 2, "vary": "rephrase"}, 2),
        ({"score": "margin", "explore": 0.5}, 4),
        ({"select": "random", "prototypes": 2, "vary": "blanks"}, 0),
    ],
)
def test_whole_runs(tmp_path: Path, files: tuple[str, str], options: dict[str, Any], releases: int) -> None:
    run = execute(recipe(files, options=options), out=tmp_path / "r")
    made = written(run)
    assert Counter(one["plm"] for one in made) == dict.fromkeys(PLMS, 36)
    assert len(ledger(run)["releases"]) == releases
    assert ledger(run)["spent"]["epsilon"] <= 4.0 * (1 + 1e-9)

    chosen = run.demonstrations()
    each = options.get("prototypes", 1)
    assert [Counter(one["label"] for one in some) for some in chosen] == [dict.fromkeys(TASK.labels, each)] * 2 + [{}]
    for number, some in enumerate(chosen):
        assert {one["round"] for one in some} <= {number}, "prototypes are of the last generation"
        parents = {one["id"]: one["label"] for one in some}
        later = [one for one in made if one["round"] == number + 1]
        varied = [one for one in later if "parent" in one]
        assert all(parents[one["parent"]] == one["label"] for one in varied)
        assert {one["parent"] for one in varied} == (set(parents) if later else set())
        assert len(varied) == len(later) * (1 - options.get("explore", 0))
    assert rounds_of_dataset(run) == {2}, "the dataset is the last generation"
    assert run.metrics["accuracy"] > 0.8
    assert set(run.metrics["accuracy_by_plm"]) == set(PLMS)


def test_a_blind_choice_is_told_in_the_run_and_in_the_plan(tmp_path: Path, files: tuple[str, str]) -> None:
    heard: list[Event] = []
    told = recipe(files, privacy={"epsilon": 0.1}, options={"release": "all"})
    run = execute(told, out=tmp_path / "r", observe=heard.append)
    assert sum(isinstance(event, Note) and "practically random" in event.message for event in heard) == 1
    assert rounds_of_dataset(run) == {0, 1, 2}


def test_a_resume_chooses_the_same_and_spends_nothing_more(tmp_path: Path, files: tuple[str, str]) -> None:
    first = execute(recipe(files), out=tmp_path / "r")
    before = (ledger(first), first.demonstrations(), (first.path / "dataset" / "train.parquet").read_bytes())
    again = execute(recipe(files), out=tmp_path / "r", resume="always")
    assert (ledger(again), again.demonstrations(), (again.path / "dataset" / "train.parquet").read_bytes()) == before


def test_the_random_control_is_the_same_twice(tmp_path: Path, files: tuple[str, str]) -> None:
    control = recipe(files, options={"select": "random"})
    runs = [execute(control, out=tmp_path / name) for name in ("a", "b")]
    assert runs[0].demonstrations() == runs[1].demonstrations()
    assert not list(runs[0].path.rglob("votes.json"))


def sample(name: str, label: str, round: int) -> Sample:
    return Sample(name, f"text of {name}", label, "opt", round, f"r{name}")


def test_a_label_whose_last_round_brought_nothing_keeps_the_one_before(make_vault: MakeVault) -> None:
    made = [
        sample("a", "negative", 0),
        sample("b", "positive", 0),
        sample("c", "positive", 1),
        sample("d", "positive", 1),
    ]
    evolving = method(make_vault(PARTY, enabled=False))
    weights, *_ = evolving.weigh(made)
    assert weights.tolist() == [1, 0, 1, 1]
    learned = evolving.learn(made)
    assert "a" in {one.sample.id for one in evolving.select(1, made, learned)}
    assert evolving.select(2, made, learned) == []


def test_prompts_take_the_prototypes_in_turn_and_explore_the_asked_share(make_vault: MakeVault) -> None:
    made = [sample("a", "negative", 0), sample("b", "positive", 0), sample("c", "positive", 0)]
    evolving = method(make_vault(PARTY, enabled=False), options={"prototypes": 2, "explore": 0.25})
    plan = evolving.plan(1, evolving.select(0, made, evolving.learn(made)))
    parents = Counter(prompt.parent if isinstance(prompt, Prompt) else None for prompt in plan.prompts["positive"])
    assert parents[None] == 12
    assert {parents["b"], parents["c"]} == {19}
    assert sorted(plan.shown) == ["text of a", "text of b", "text of c"]


def test_the_outlook_is_that_of_the_published_setting(make_vault: MakeVault) -> None:
    """Epsilon 20 in 100 rounds of two labels: 0.1 a choice."""
    settings: dict[str, Any] = {"samples": 10_100, "rounds": 100, "options": {"accounting": "pure"}}
    said = method(make_vault(PARTY, epsilon=20), **settings).outlook()
    assert said["epsilon_each"] == 0.1
    assert said["candidates"] == 100
    assert said["selectivity"] == "0.0105 (blind: 0.01)"
    assert "practically random" in said["verdict"]
    settings["options"] |= {"select": "random"}
    assert "at random" in method(make_vault(PARTY, epsilon=20), **settings).outlook()["choices"]


def test_a_sharp_choice_gets_no_verdict(make_vault: MakeVault, tmp_path: Path) -> None:
    assert "verdict" not in method(make_vault(PARTY, epsilon=60), rounds=1, options={"medoids": 10}).outlook()
    vault = make_vault(PARTY, run=tmp_path / "open", enabled=False)
    assert vault.epsilon == math.inf
    assert method(vault).outlook()["selectivity"].startswith("1 ")


def test_what_cannot_be_is_refused(make_vault: MakeVault, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--rounds 1"):
        method(make_vault(PARTY), rounds=0)
    with pytest.raises(UserError, match="from 2 medoids"):
        method(make_vault(PARTY), options={"prototypes": 2, "medoids": 2})
    with pytest.raises(UserError, match="one --private FILE"):
        method(make_vault(PARTY, PARTY, run=tmp_path / "other"))
    with pytest.raises(UserError, match="none for positive"):
        method(make_vault([PARTY[0], PARTY[2]]))


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (100, [0.0103, 0.0105, 0.0110, 0.0128, 0.0164, 0.0267, 0.0695, 0.356, 0.600]),
        (10, [0.102, 0.105, 0.109, 0.125, 0.155, 0.232, 0.451, 0.859, 0.943]),
    ],
)
def test_selectivity_is_that_of_the_published_table(candidates: int, expected: list[float]) -> None:
    found = [selectivity(epsilon, candidates) for epsilon in (0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 10)]
    assert found == pytest.approx(expected, rel=6e-3)


def test_selectivity_at_the_ends() -> None:
    assert selectivity(math.inf, 100) == selectivity(0.1, 1) == 1
    assert noised_selectivity(0, 100) == 1
    assert noised_selectivity(1e9, 100) == pytest.approx(0.01, rel=1e-4)
    draws = np.random.default_rng(0).normal(0, 0.5, (20_000, 10)) + np.eye(1, 10)
    assert noised_selectivity(0.5, 10) == pytest.approx((draws.argmax(axis=1) == 0).mean(), abs=0.02)


def test_medoids_are_the_middles_of_clusters() -> None:
    draw = np.random.default_rng(0)
    middles = np.eye(4)[:3]
    rows = np.concatenate([middles, np.repeat(middles, 20, axis=0) + draw.normal(0, 0.05, (60, 4))])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    table = quantised(unit.astype(np.float32))
    chosen = medoids(table, 3)
    assert {int(unit[row].argmax()) for row in chosen} == {0, 1, 2}
    spread = np.linalg.norm(unit[chosen][:, None] - unit, axis=2).min(axis=0)
    assert spread.mean() < 0.12


@given(seed=st.integers(0, 1000), n=st.integers(1, 12), count=st.integers(1, 15), kinds=st.integers(1, 4))
def test_medoids_differ_and_none_is_made_up(seed: int, n: int, count: int, kinds: int) -> None:
    draw = np.random.default_rng(seed)
    table = quantised(np.eye(4, dtype=np.float32)[draw.integers(kinds, size=n)])
    chosen = medoids(table, count)
    assert len(chosen) == min(count, len(np.unique(table, axis=0)))
    assert len(np.unique(table[chosen], axis=0)) == len(chosen)
    assert chosen == sorted(chosen) == medoids(table, count)
