"""Whatever is flipped, cut off or lost in a run folder: a resume makes the same dataset, or names the file."""

import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nursery import Nursery, dataset_of
from preludes import NO_REPORT, when_opened

SEED = 20261123
LABELS = ("positive", "negative")
ALL: set[str] = set()
UNREAD = {".lock", "log.txt", "report.html", "README.md"}
"""Files that no resume reads: they are written anew, or only ever appended to."""


def flip(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def zeros(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(data))
    return data[:place] + bytes(len(data[place : place + 512])) + data[place + 512 :]


def cut_at_a_line(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[: draw.randrange(len(lines))])


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [flip, cut, zeros, cut_at_a_line]


def read_files(run: Path) -> list[Path]:
    """Return the files that a resume may read, in order, relative to the run's folder."""
    every = sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return [path for path in every if path.name not in UNREAD and "plots" not in path.parts and path.suffix != ".png"]


@pytest.fixture(scope="module")
def stopped(nursery: Nursery, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was killed in its second round."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    dying = when_opened("01/completions/opt.jsonl", "os.kill(os.getpid(), 9)")
    assert nursery.run("run", recipe, "--out", out, prelude=dying).code == -signal.SIGKILL
    return out


def damaged(whole: Path, draw: random.Random, times: int, names: set[str]) -> Iterator[tuple[Path, bytes, str]]:
    """Yield every file ``times`` times with what becomes of it."""
    for path in read_files(whole):
        if names and path.name not in names:
            continue
        data = (whole / path).read_bytes()
        for damage in draw.sample(DAMAGES, min(times, len(DAMAGES))) * -(-times // len(DAMAGES)):
            if data and (spoilt := damage(data, draw)) != data:
                yield path, spoilt, damage.__name__


def check_resumes(
    nursery: Nursery, whole: Path, dataset: str, folder: Path, seed: str, *, times: int, names: set[str] = ALL
) -> None:
    wrong = []
    for number, (path, spoilt, how) in enumerate(damaged(whole, random.Random(seed), times, names)):
        out = folder / str(number)
        shutil.copytree(whole, out)
        (out / path).write_bytes(spoilt)
        ended = nursery.run("run", out / "recipe.yaml", "--out", out, "--resume", prelude=NO_REPORT)
        if ended.code == 0:
            right = dataset_of(out) == dataset
        else:
            # The recipe is named by the command itself: of it, the setting that is wrong may be named instead.
            named = path.name in ended.sentence or (path.name == "recipe.yaml" and ended.code == 2)
            right = ended.code in {1, 2} and named
        if not right:
            wrong.append(f"{number}: {how} {path}: exit code {ended.code}, {ended.err[-300:]}")
        else:
            shutil.rmtree(out)
    assert not wrong, "\n".join(wrong)


def test_an_unfinished_run_with_a_damaged_file(nursery: Nursery, stopped: Path, dataset: str, tmp_path: Path) -> None:
    check_resumes(nursery, stopped, dataset, tmp_path, f"{SEED} unfinished", times=1)


def test_a_finished_run_with_a_damaged_file(nursery: Nursery, undisturbed: Path, dataset: str, tmp_path: Path) -> None:
    check_resumes(nursery, undisturbed, dataset, tmp_path, f"{SEED} finished", times=1)


@pytest.mark.parametrize("times", [2, pytest.param(40, marks=pytest.mark.long)])
def test_a_private_run_with_a_damaged_record(
    times: int, nursery: Nursery, recipe_of: Callable[..., Path], tmp_path: Path
) -> None:
    """What was released cannot be released again: its file and the ledger are checked, and nothing is made up."""
    private, whole, stopped = tmp_path / "private.jsonl", tmp_path / "whole", tmp_path / "stopped"
    rows = [{"text": f"It was {label} to watch, {n} times.", "label": label} for label in LABELS for n in range(8)]
    private.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = recipe_of(method="wasp", private=(str(private),), privacy={"noise": "insecure-test"})
    assert nursery.run("run", made, "--out", whole, prelude=NO_REPORT).code == 0
    dying = when_opened("01/completions/opt.jsonl", "os.kill(os.getpid(), 9)")
    assert nursery.run("run", made, "--out", stopped, prelude=dying).code == -signal.SIGKILL
    kept = {"votes.json", "ledger.json"}
    check_resumes(nursery, stopped, dataset_of(whole), tmp_path, f"{SEED} private", times=times, names=kept)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_many_damaged_files(
    seed: int, nursery: Nursery, stopped: Path, undisturbed: Path, dataset: str, tmp_path: Path
) -> None:
    check_resumes(nursery, stopped, dataset, tmp_path / "stopped", f"{SEED} stopped {seed}", times=2)
    check_resumes(nursery, undisturbed, dataset, tmp_path / "finished", f"{SEED} finished {seed}", times=2)
