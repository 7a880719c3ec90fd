"""ZeroGen: zero-shot to the end, about as many contexts as its texts need."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen import execute
from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.methods.zerogen import ZeroGen
from synthgen.recipe import make_recipe
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

TASK = load_task("imdb")
BARE = TASK.model_copy(update={"name": "bare", "contexts": None})
PLMS = ("gpt2", "opt")


def method(task: Task = TASK, **settings: Any) -> ZeroGen:
    recipe = make_recipe({"task": "imdb", "plms": PLMS, "samples": 50, "rounds": 2, "method": "zerogen", **settings})
    return ZeroGen(recipe, task, list(recipe.plms), make_stm("tfidf", seed=0))


@pytest.mark.parametrize(
    ("profile", "task", "given", "expected"),
    [
        ("pocket", TASK, "auto", False),
        ("pocket", TASK, "yes", True),
        ("pocket", TASK, True, True),
        ("pocket", BARE, "no", False),
        ("paper", TASK, "auto", True),
        ("paper", TASK, "no", False),
        ("paper", TASK, False, False),
        ("paper", BARE, "auto", False),
    ],
)
def test_contexts_come_first_where_a_task_has_them_and_the_plms_know_such_prompts(
    profile: str, task: Task, given: Any, expected: bool
) -> None:
    zerogen = method(task, profile=profile, options={"contexts": given})
    assert bool(zerogen.plan(0, []).contexts) is expected
    assert ("<context>" in zerogen.example("negative")) is expected


def test_contexts_of_a_task_that_has_none_are_refused() -> None:
    with pytest.raises(UserError, match=r"Task bare has no contexts; leave options\.contexts out"):
        method(BARE, options={"contexts": "yes"})


@given(samples=st.integers(1, 400), rounds=st.integers(0, 5), per_context=st.integers(1, 40))
def test_there_are_enough_contexts_and_no_more(samples: int, rounds: int, per_context: int) -> None:
    samples += rounds
    options = {"contexts": "yes", "per_context": per_context}
    zerogen = method(samples=samples, rounds=rounds, demos=1, candidates=1, options=options)
    for number in range(rounds + 1):
        plan = zerogen.plan(number, [])
        most = max(max(quota.values()) for quota in plan.quotas.values())
        assert (plan.contexts - 1) * per_context < most <= plan.contexts * per_context


def test_a_run_shows_nothing_and_weighs_nothing(tmp_path: Path) -> None:
    settings = {"method": "zerogen", "task": "imdb", "plms": PLMS, "samples": 31, "rounds": 2, "seed": 3}
    recipe = make_recipe({**settings, "engine": "scripted", "gold": "none"})
    one, two = (execute(recipe, out=tmp_path / name) for name in ("one", "two"))
    assert one.metrics["samples_by_plm"] == dict.fromkeys(PLMS, 31)
    assert one.metrics["samples_by_label"] == {"negative": 31, "positive": 31}
    assert one.metrics["samples"] == 62
    for number in range(3):
        assert json.loads((one.path / "rounds" / f"{number:02d}" / "demonstrations.json").read_text()) == []
    data = [(run.path / "dataset" / "train.parquet").read_bytes() for run in (one, two)]
    assert data[0] == data[1]
