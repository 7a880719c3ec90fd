"""The private commands as a user meets them: nothing to set up, nothing leaks, wrong input is one sentence."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CANARY = "zanzibarquokka"
SMALL = ["--plms", "gpt2,opt", "--engine", "scripted", "--samples", "24", "--rounds", "2", "--profile", "pocket"]
MOVIE = {"positive": "a warm and tender film", "negative": "a dull and noisy film"}


def synthgen(*arguments: str, cwd: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "synthgen", *arguments], cwd=cwd, capture_output=True, text=True, check=False, **settings
    )


def write(path: Path, rows: list[Any]) -> Path:
    data = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def seeds(path: Path, count: int = 30, labels: tuple[str, ...] = ("positive", "negative")) -> Path:
    rows = []
    for n in range(count):
        label = labels[n % len(labels)]
        rows.append({"text": f"{MOVIE.get(label, label)} {CANARY}{n} seen on day {n}", "label": label})
    return write(path, rows)


def everything(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_silent(folder: Path, *outputs: str | bytes) -> None:
    for said in (everything(folder), *(out.encode() if isinstance(out, str) else out for out in outputs)):
        assert CANARY.encode() not in said
        assert b"tender film 1" not in said


def test_a_private_file_and_nothing_else(tmp_path: Path) -> None:
    seeds(tmp_path / "seeds.jsonl.gz")
    ran = synthgen("wasp", "--private", "seeds.jsonl.gz", *SMALL, "--out", "run", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Task: imdb" in ran.stderr
    assert json.loads(ran.stdout)["samples"] == 48
    (tmp_path / "seeds.jsonl.gz").unlink()
    assert_silent(tmp_path, ran.stdout, ran.stderr)


def test_labels_of_no_task_make_one(tmp_path: Path) -> None:
    seeds(tmp_path / "seeds.jsonl", labels=("refund", "late parcel", "praise"))
    ran = synthgen(
        "wasp", "--private", "seeds.jsonl", "--about", "mails to a shop", *SMALL, "--out", "run", "--json", cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout)["samples_by_label"]) == {"refund", "late parcel", "praise"}
    again = synthgen("run", "run/recipe.yaml", "--out", "again", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_parties_may_have_labels_of_their_own(tmp_path: Path) -> None:
    seeds(tmp_path / "a.jsonl", labels=("positive",))
    seeds(tmp_path / "b.jsonl", labels=("negative",))
    for unit in ("record", "party"):
        ran = synthgen(
            "wasp", "--private", "a.jsonl", "--private", "b.jsonl", "--unit", unit, *SMALL, "--out", unit, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stderr
        ledger = json.loads((tmp_path / unit / "ledger.json").read_text())
        assert ledger["promised"]["adjacency"] == f"add-remove one {unit}"
        assert ledger["promised"]["parties"] == 2


def test_a_failure_tells_nothing(tmp_path: Path) -> None:
    seeds(tmp_path / "seeds.jsonl")
    (tmp_path / "run" / "rounds" / "01").mkdir(parents=True)
    (tmp_path / "run" / "rounds" / "01" / "votes.json").write_text("{")
    script = (
        "from synthgen.privacy import vault\n"
        "def broken(parts, share, source): raise ValueError(open('seeds.jsonl').read())\n"
        "vault._summed = broken\n"
        "from synthgen.cli import main\n"
        f"main({['wasp', '--private', 'seeds.jsonl', *SMALL, '--out', 'fails']!r})\n"
    )
    environment = {**os.environ, "SYNTHGEN_DEBUG": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 1
    assert "withheld" in ran.stderr
    (tmp_path / "seeds.jsonl").unlink()
    assert_silent(tmp_path, ran.stdout, ran.stderr)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_trace_and_the_run_goes_on(tmp_path: Path, ending: signal.Signals) -> None:
    """Stopped once the first votes are out; taken up again, it promises no more than before."""
    seeds(tmp_path / "seeds.jsonl")
    many = ["--plms", "gpt2,opt", "--engine", "scripted", "--samples", "3000", "--rounds", "3", "--gold", "none"]
    command = ["wasp", "--private", "seeds.jsonl", *many, "--profile", "pocket", "--out", "run"]
    # A group of its own, where interrupts are not ignored as in a background shell.
    runs = subprocess.Popen(
        [sys.executable, "-m", "synthgen", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    votes, deadline = tmp_path / "run" / "rounds" / "00" / "votes.json", time.monotonic() + 1200
    while not votes.exists() and runs.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    runs.send_signal(ending)
    said = runs.communicate()
    assert votes.exists()
    assert_silent(tmp_path / "run", *said)
    first = json.loads(votes.read_text())["releases"]
    again = synthgen(*command, "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(votes.read_text())["releases"].items() >= first.items()
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert len(ledger["releases"]) == 4
    assert ledger["spent"]["epsilon"] == pytest.approx(4.0)
    assert_silent(tmp_path / "run", again.stdout, again.stderr)


GOOD = [{"text": f"{MOVIE['positive']} {n}", "label": "positive"} for n in range(4)]
BAD = [{"text": f"{MOVIE['negative']} {n}", "label": "negative"} for n in range(4)]
WRONG = {
    "no such file": (None, [], "no private file"),
    "no label": ([*GOOD, {"text": f"{CANARY} x"}], [], "Line 5 of private file seeds.jsonl has no label"),
    "one label": (GOOD, [], "one label only"),
    "one line": (GOOD[:1], [], "one label only"),
    "empty": ([], [], "empty"),
    "foreign label": ([*GOOD, {"text": "x", "label": CANARY}], ["--task", "imdb"], "label that the task does not have"),
    "not JSON": ([*GOOD, CANARY], [], "not valid JSON"),
    "epsilon 0": ([*GOOD, *BAD], ["--epsilon", "0"], "epsilon"),
    "epsilon -1": ([*GOOD, *BAD], ["--epsilon", "-1"], "epsilon"),
    "epsilon inf": ([*GOOD, *BAD], ["--epsilon", "inf"], "--no-privacy"),
    "delta 0": ([*GOOD, *BAD], ["--delta", "0"], "delta"),
    "delta 1": ([*GOOD, *BAD], ["--delta", "1"], "delta"),
    "delta 1/N": ([*GOOD, *BAD], ["--delta", "0.125"], "take one below 0.12"),
    "no rounds": ([*GOOD, *BAD], ["--rounds", "0"], "at least one round"),
    "embedder": ([*GOOD, *BAD], ["--embedder", "./no-such-folder"], "no-such-folder"),
    "option": ([*GOOD, *BAD], ["--set", "options.vots=3"], "vots"),
    "gold": ([*GOOD, *BAD], ["--gold", "seeds.jsonl"], "one of the private files"),
    "a label once": ([*GOOD, *BAD, {"text": "x", "label": CANARY}], [], "name them yourself"),
    "a label that is a text": (
        [*GOOD, *[{"text": "x", "label": f"{CANARY} {'x' * 60}"}] * 2],
        [],
        "name them yourself",
    ),
    "no privacy and some": ([*GOOD, *BAD], ["--no-privacy", "--epsilon", "2"], "leave --epsilon out"),
    "clip": ([*GOOD, *BAD], ["--unit", "party", "--set", "privacy.clip=.inf"], "clip"),
    "both": ([*GOOD, *BAD], ["--task", "imdb", "--labels", "a,b"], "leave --labels"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_one_sentence_and_nothing_is_released(tmp_path: Path, wrong: str) -> None:
    rows, options, sentence = WRONG[wrong]
    if rows is not None:
        write(tmp_path / "seeds.jsonl", rows)
    ran = synthgen("wasp", "--private", "seeds.jsonl", *SMALL, *options, "--out", "run", cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    (error,) = [line for line in ran.stderr.splitlines() if line.startswith("Error: ")]
    assert sentence in error
    assert CANARY not in ran.stderr
    assert not (tmp_path / "run").exists()


def test_broken_bytes_are_told_by_their_line(tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_bytes(
        json.dumps(GOOD[0]).encode() + b'\n{"text": "\xff\xfe", "label": "negative"}\n'
    )
    ran = synthgen("wasp", "--private", "seeds.jsonl", *SMALL, cwd=tmp_path)
    assert ran.returncode == 2
    assert "Line 2 of private file seeds.jsonl is not UTF-8" in ran.stderr


def test_private_samples_where_they_have_no_use(tmp_path: Path) -> None:
    seeds(tmp_path / "seeds.jsonl")
    (tmp_path / "recipe.yaml").write_text("method: fusegen\ntask: imdb\nprivate: [seeds.jsonl]\n")
    ran = synthgen("run", "recipe.yaml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "no use of private samples" in ran.stderr


def test_duplicates_are_told_to_their_owner_alone(tmp_path: Path) -> None:
    write(tmp_path / "seeds.jsonl", [*GOOD, *GOOD, *BAD])
    ran = synthgen("wasp", "--private", "seeds.jsonl", *SMALL, "--out", "run", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "4 of the private samples repeat another one" in " ".join(ran.stderr.split())
    assert "repeat" not in (tmp_path / "run" / "log.txt").read_text()
    assert "privacy    epsilon 4 of 4 spent, delta 1e-05, 3 releases" in ran.stdout


def test_a_plan_explains_the_budget(tmp_path: Path) -> None:
    seeds(tmp_path / "seeds.jsonl")
    many = [*SMALL, "--samples", "600", "--epsilon", "1"]
    ran = synthgen("plan", "wasp", "--private", "seeds.jsonl", *many, "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    privacy = json.loads(ran.stdout)["privacy"]
    assert privacy["epsilon"] == 1.0
    assert privacy["private_samples"] == 30
    assert privacy["sigma"] > 0
    assert "few for epsilon 1" in privacy["verdict"]
    shown = synthgen("plan", "wasp", "--private", "seeds.jsonl", *many, cwd=tmp_path)
    assert "few for epsilon 1" in " ".join(shown.stdout.replace("│", " ").split())
    assert_silent(tmp_path / "nothing", ran.stdout, ran.stderr, shown.stdout)
