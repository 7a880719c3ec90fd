"""``compare`` over run folders written here: what it finds, pairs and says."""

import json
from pathlib import Path

import pytest
from cli.conftest import Cli
from PIL import Image

from synthgen.quality.measure import measure
from synthgen.recipe import make_recipe

TEXTS = [f"a {('poor', 'fine')[n % 2]} film with scene {n} in it" for n in range(30)]


def write_run(path: Path, accuracy: float, *, seed: int, method: str = "fusegen", pool: str | None = None) -> None:
    recipe = make_recipe(
        {"method": method, "task": "imdb", "plms": ("opt",), "seed": seed, "pool": (pool,) if pool else ()}
    )
    path.mkdir(parents=True)
    (path / "recipe.yaml").write_text(recipe.to_yaml())
    metrics = {
        "accuracy": accuracy,
        "macro_f1": accuracy - 0.01,
        "samples": 500,
        "samples_by_plm": {"opt": 500},
        "tokens": {"prompt": 9000, "completion": 1000, "cached": 0},
        "seconds": {"total": 100.0 + seed},
        "gold": {"source": "file:gold.jsonl", "size": 240},
        "quality": measure(TEXTS, ["negative", "positive"] * 15, label_names=("negative", "positive")),
    }
    (path / "metrics.json").write_text(json.dumps(metrics))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for arm, method, values in (
        ("zerogen", "zerogen", [0.80, 0.82, 0.84]),
        ("fusegen-k1", "fusegen", [0.81, 0.84, 0.84]),
    ):
        for seed, accuracy in enumerate(values):
            path = tmp_path / "runs" / "study" / arm / f"seed-{seed}"
            write_run(path, accuracy, seed=seed, method=method, pool=f"pool-{seed}.jsonl")
    return tmp_path / "runs" / "study"


def test_a_study_is_compared_arm_by_arm(cli: Cli, study: Path) -> None:
    ran = cli("compare", study, "--baseline", "zerogen")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines() if line.strip()]
    assert "fusegen-k1 fusegen 3 83.00 ± 1.73 +1.00 [-1.48, +3.48] 82.00 500 0.01M 101".split() in lines
    assert "zerogen zerogen 3 82.00 ± 2.00 – 81.00 500 0.01M 101".split() in lines
    assert "Selection never looked at gold; accuracy was measured after the last choice." in ran.out
    assert "to zerogen, paired by seed, with 95 % t-intervals" in ran.out
    (header,) = [words for words in lines if "BLEU-4" in words]
    assert header == "setting words BLEU-2 BLEU-4 dist-2 dup. % near %".split()
    with Image.open("comparison.png") as image:
        assert image.width == 2100


def test_json_has_all_of_it(cli: Cli, study: Path) -> None:
    ran = cli("compare", study, "--json")
    found = json.loads(ran.out)
    assert [row["name"] for row in found["runs"]][:2] == ["fusegen-k1/seed-0", "fusegen-k1/seed-1"]
    first, second = found["settings"]
    assert (first["name"], first["difference"], second["difference"]["baseline"]) == ("fusegen-k1", None, "fusegen-k1")
    assert second["difference"]["pairs"] == 3
    assert len(second["accuracy_interval"]) == 2
    assert second["quality"]["duplicates"] == 0
    assert (second["tokens"], second["seconds"]) == (10000, 101)
    assert found["note"].startswith("Selection never looked at gold")
    assert not Path("comparison.png").exists()


def test_runs_and_folders_mix_and_nothing_counts_twice(cli: Cli, study: Path) -> None:
    write_run(study.parent / "alone", 0.7, seed=0)
    given = [study / "zerogen", study / "zerogen" / "seed-1", study.parent / "alone", study]
    found = json.loads(cli("compare", *given, "--json").out)
    assert [(row["name"], row["n"]) for row in found["settings"]] == [("zerogen", 3), ("alone", 1), ("fusegen-k1", 3)]


def test_seeds_come_in_their_order_and_arms_of_two_studies_stay_apart(cli: Cli, tmp_path: Path) -> None:
    for seed in (10, 9, 2):
        write_run(tmp_path / "a" / "zerogen" / f"seed-{seed}", 0.8, seed=seed)
    write_run(tmp_path / "b" / "zerogen" / "seed-2", 0.9, seed=2)
    found = json.loads(cli("compare", tmp_path / "a", tmp_path / "b", "--json").out)
    assert [(row["name"], row["seeds"]) for row in found["settings"]] == [("a/zerogen", [2, 9, 10]), ("b/zerogen", [2])]
    assert found["settings"][1]["difference"]["points"] == pytest.approx(10)


def test_two_runs_without_repetition_have_a_difference_but_no_interval(cli: Cli, tmp_path: Path) -> None:
    write_run(tmp_path / "one", 0.8, seed=3)
    write_run(tmp_path / "two", 0.85, seed=3, method="zerogen")
    ran = cli("compare", tmp_path / "one", tmp_path / "two")
    assert "+5.00" in ran.out
    assert "[" not in ran.out.split("comparison.png")[0]
    assert "one pair says nothing of chance" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["."], "holds none up to two levels below"),
        (["runs/study", "--baseline", "zerogne"], "did you mean zerogen?"),
    ],
)
def test_what_cannot_be_compared(cli: Cli, study: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    if arguments == ["."]:
        arguments = ["empty"]
    ran = cli("compare", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert not Path("comparison.png").exists()
