"""The commands, end to end with the scripted engine."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.conftest import SCRIPTED, Cli
from PIL import Image

import synthgen
from synthgen.runs.folder import read_manifest


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gold") / "gold.jsonl"
    rows = [{"text": f"basil anchor {n} film", "label": ["negative", "positive"][n % 2]} for n in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def width(picture: Path) -> int:
    with Image.open(picture) as opened:
        return opened.width


def test_a_run_tells_what_happened_and_where_it_is(cli: Cli, gold: Path) -> None:
    ran = cli(*SCRIPTED, "--gold", gold, "--out", "run")
    assert ran.code == 0, ran.err
    for word in ("Writing run", "gold.jsonl (20 texts)", "Round 1 of 1: 80 samples so far", "tokens/s"):
        assert word in ran.err
    for word in ("accuracy", "by PLM", "run/dataset/train.parquet", "run/plots/cartography.png"):
        assert word in ran.out


def test_json_prints_the_metrics_and_nothing_else(cli: Cli, gold: Path) -> None:
    ran = cli(*SCRIPTED, "--gold", gold, "--out", "run", "--json")
    assert json.loads(ran.out) == json.loads(Path("run/metrics.json").read_text())


def test_resume_goes_on_and_changes_nothing(cli: Cli, gold: Path) -> None:
    arguments = (*SCRIPTED, "--gold", gold, "--out", "run")
    cli(*arguments)
    before = Path("run/dataset/train.parquet").read_bytes()
    Path("run/rounds/01/completions/opt.jsonl").unlink()
    assert cli(*arguments, "--resume").code == 0
    assert Path("run/dataset/train.parquet").read_bytes() == before


def test_the_run_folder_is_looked_at_in_many_ways(cli: Cli, gold: Path) -> None:
    for seed in (0, 1):
        cli(*SCRIPTED, "--gold", gold, "--out", f"run{seed}", "--seed", seed)
    scored = json.loads(cli("evaluate", "run0", "--task", "imdb", "--gold", gold, "--json").out)
    assert scored["samples"] == 80
    assert scored["accuracy"] == json.loads(Path("run0/metrics.json").read_text())["accuracy"]

    assert cli("cartography", "run0", "--out", "map.png").code == 0
    assert width(Path("map.png")) > 600
    assert cli("cartography", "run0/dataset/train.parquet", "--out", "map2.png").code == 0

    shown = cli("samples", "run0", "--count", "1")
    assert "llama2" in shown.out
    groups = json.loads(cli("samples", "run0", "--json").out)
    assert {(group["plm"], group["label"]) for group in groups} == {
        (plm, label) for plm in ("llama2", "opt") for label in ("negative", "positive")
    }

    compared = json.loads(cli("compare", "run0", "run1", "--json").out)
    assert [row["name"] for row in compared["runs"]] == ["run0", "run1"]
    assert compared["settings"][0]["n"] == 2
    assert cli("compare", "run0", "run1").code == 0
    assert width(Path("comparison.png")) > 600


def test_a_recipe_file_repeats_a_run(cli: Cli, gold: Path) -> None:
    cli(*SCRIPTED, "--gold", gold, "--out", "first")
    assert cli("run", "first/recipe.yaml", "--out", "second").code == 0
    assert Path("first/dataset/train.parquet").read_bytes() == Path("second/dataset/train.parquet").read_bytes()


def test_plan_shows_prompts_and_generates_nothing(cli: Cli) -> None:
    ran = cli("plan", *SCRIPTED)
    assert ran.code == 0, ran.err
    assert "positive in tone reads:" in ran.out
    assert list(Path().iterdir()) == []
    planned = json.loads(cli("plan", *SCRIPTED, "--json").out)
    assert planned["samples"] == 80
    assert planned["samples_by_round"] == [40, 40]


def test_what_there_is(cli: Cli) -> None:
    assert "banking77" in cli("tasks").out
    assert "pocket/llama2" in cli("plms").out
    assert "pocket PLMs" in cli("doctor").out
    assert cli("--version").out.strip() == f"synthgen {synthgen.__version__}"


def test_profile_auto_is_said(cli: Cli) -> None:
    arguments = [word for word in SCRIPTED if word not in {"--profile", "pocket"}]
    ran = cli(*arguments, "--gold", "none", "--out", "run")
    assert "Profile: " in ran.err
    assert read_manifest(Path("run"))["profile"] in {"pocket", "paper"}


def _hear_interrupts() -> None:
    # A shell starts background jobs deaf to SIGINT, and so would be the tests' children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_say_how_to_go_on(tmp_path: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "synthgen", *SCRIPTED, "--samples", "4000", "--gold", "none", "--out", "run"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts
    ) as process:
        while not (tmp_path / "run" / "rounds" / "00" / "completions").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(sent)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "Continue with: synthgen run run/recipe.yaml --out run --resume" in err
    assert "Traceback" not in err
    assert read_manifest(tmp_path / "run")["status"] == "interrupted"
