"""Studies: several settings over the same seeds, on one pool, resumed where they stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthgen.cli import main
from synthgen.errors import UserError
from synthgen.plms.engines import scripted
from synthgen.records import Request
from synthgen.study import asked, entries, is_study, read_study, run_study, unequal

FEW = {
    "task": "imdb", "plms": ["gpt2", "opt"], "samples": 20, "rounds": 1, "demos": 2, "candidates": 8,
    "engine": "scripted", "gold": "none",
}  # fmt: skip
ARMS: dict[str, Any] = {
    "fusegen": {},
    "zerogen": {},
    "shuffled": {"method": "fusegen", "options": {"select": "random"}},
}


def put(path: Path, **changes: Any) -> Path:
    study = {"compare": "few", "seeds": [0, 1], "pool": "zerogen", "settings": FEW, "arms": ARMS, **changes}
    path.write_text(yaml.safe_dump({name: one for name, one in study.items() if one is not None}, sort_keys=False))
    return path


def test_every_arm_runs_over_every_seed_on_the_same_zero_shot_texts(tmp_path: Path) -> None:
    path = put(tmp_path / "study.yaml")
    assert is_study(path)
    study = read_study(path)
    runs = {
        (run.recipe.method, run.path.parent.name, run.recipe.seed): run for run in run_study(study, tmp_path / "out")
    }
    assert {(arm, seed) for _, arm, seed in runs} == {(arm, seed) for arm in ARMS for seed in (0, 1)}
    for seed in (0, 1):
        texts = {sample["text"] for sample in runs["zerogen", "zerogen", seed].samples()}
        for arm in ("fusegen", "shuffled"):
            first = [one["text"] for one in runs["fusegen", arm, seed].samples() if one["round"] == 0]
            assert set(first) <= texts
    again = list(run_study(study, tmp_path / "out", resume=True, perform=None))  # type: ignore[arg-type]
    assert len(again) == 6
    with pytest.raises(UserError, match="add --resume"):
        list(run_study(study, tmp_path / "out"))


def test_arms_that_ask_for_different_totals_are_named(tmp_path: Path) -> None:
    assert unequal(read_study(put(tmp_path / "a.yaml")), tmp_path) is None
    arms = {**ARMS, "alone": {"method": "zerogen", "plms": ["opt"]}}
    said = unequal(read_study(put(tmp_path / "b.yaml", arms=arms)), tmp_path)
    assert said is not None
    assert "zerogen 40" in said
    assert "alone 20" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": [1]}, "did you mean seeds?"),
        ({"pool": "zerogn"}, "did you mean zerogen?"),
        ({"arms": {"a/b": {}}}, "cannot be one"),
        ({"seeds": [1, 1]}, "twice"),
        ({"arms": {"zerogen": {"smaples": 3}}}, "Arm zerogen: There is no setting 'smaples'; did you mean samples?"),
        ({"arms": {"zerogen": {"method": "zerogen", "samples": 1}}}, "Arm zerogen: "),
        ({"seedz": [1], "seeds": None}, "did you mean seeds?"),
        ({"armz": {}, "arms": None}, "did you mean arms?"),
        ({"arms": {"zerogen": None}}, "arms.zerogen"),
        ({"compare": "../up"}, "cannot be one"),
        ({"arms": {"zerogen": {"seed": 5}}}, "give seeds for all"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as found:
        entries(read_study(put(tmp_path / "study.yaml", **changes)), tmp_path / "out")
    assert said in str(found.value)


RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_right(path: Path) -> None:
    from synthgen.methods import find_method, make_method
    from synthgen.recipe import read_recipe
    from synthgen.tasks.registry import the_task

    recipes = [one.recipe for one in entries(read_study(path), Path("out"))] if is_study(path) else [read_recipe(path)]
    for recipe in recipes:
        if not find_method(recipe.method).private:
            task = the_task(recipe.task, recipe.labels, recipe.about)
            make_method(recipe, task, recipe.plms, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"zerogen": {}, "progenn": {}}, "Arm progenn: There is no method 'progenn'; did you mean progen?"),
        ({"zerogen": {}, "fusegen": {"options": {"updtes": 3}}}, "no option 'updtes'; did you mean updates?"),
        ({"zerogen": {}, "wasp": {"private": ["none.jsonl"]}}, "Arm wasp: There is no private"),
    ],
)
def test_the_last_arm_is_checked_before_the_first_runs(arms: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as found:
        list(run_study(read_study(put(tmp_path / "study.yaml", arms=arms)), tmp_path / "out"))
    assert said in str(found.value)
    assert not (tmp_path / "out").exists()


def test_what_private_samples_may_spend_in_all_is_said(tmp_path: Path) -> None:
    private = tmp_path / "private.jsonl"
    arms = {"zerogen": {}, "wasp": {"private": [str(private)]}}
    said = asked(read_study(put(tmp_path / "study.yaml", arms=arms)), tmp_path / "out")
    assert said is not None
    assert "2 runs" in said
    assert "epsilon of up to 8" in said


def test_the_command_runs_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests = [Request(f"g{n}", "other", 0, ("negative", "positive")[n % 2], "", n) for n in range(10)]
    rows = [json.dumps({"text": scripted.default_script(one), "label": one.label}) for one in requests]
    (tmp_path / "gold.jsonl").write_text("\n".join(rows), encoding="utf-8")
    settings = {**FEW, "gold": str(tmp_path / "gold.jsonl")}
    path = put(tmp_path / "study.yaml", seeds=[3], arms={"zerogen": {}, "fusegen": {}}, settings=settings)
    with pytest.raises(SystemExit) as end:
        main(["run", str(path), "--out", str(tmp_path / "out"), "--json"])
    assert end.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in said["settings"]} == {"zerogen", "fusegen"}
    against = {row["name"]: row["difference"] and row["difference"]["baseline"] for row in said["settings"]}
    assert against == {"zerogen": None, "fusegen": "zerogen"}  # the file's first arm, not the alphabet's
    assert (tmp_path / "out" / "fusegen" / "seed-3" / "metrics.json").is_file()
    with pytest.raises(SystemExit) as end:
        main(["run", str(path), "--out", str(tmp_path / "out"), "--plms", "opt"])
    assert end.value.code == 2
