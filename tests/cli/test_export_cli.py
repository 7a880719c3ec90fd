"""``synthgen export``: where the rows go, what is said beside them, how mistakes end."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import SCRIPTED, Cli


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    command = [sys.executable, "-m", "synthgen", *SCRIPTED, "--gold", "none", "--out", "run"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_a_file_is_written_and_named(cli: Cli, run: Path) -> None:
    shown = cli("export", run)
    path = Path(shown.out.strip())
    assert (shown.code, shown.err, path) == (0, "80 samples.\n", run / "exports" / "train.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 80
    assert list(lines[0]) == ["text", "label", "weight", "plm", "round", "id"]


def test_rows_on_stdout_are_alone_there(cli: Cli, run: Path) -> None:
    shown = cli("export", run, "--format", "sharegpt", "--out", "-", "--instruction", "Good or bad?")
    assert shown.code == 0
    talks = [json.loads(line)["conversations"] for line in shown.out.splitlines()]
    assert len(talks) == 80
    assert talks[0][0]["value"].startswith("Good or bad?\n\n")
    assert not (run / "exports").exists()


def test_formulas_are_warned_of_until_they_are_defused(cli: Cli, run: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet = run / "dataset" / "train.parquet"
    table = pq.read_table(parquet)
    texts = ["=1+1", *table["text"].to_pylist()[1:]]
    pq.write_table(table.set_column(0, table.schema.field(0), pa.array(texts)), parquet)
    (run / "SHA256SUMS").unlink()
    out = run.parent / "out.csv"
    assert "1 texts begin as formulas do" in cli("export", run, "--format", "csv", "--out", out).err
    assert first_text(out) == "=1+1"
    assert "formulas" not in cli("export", run, "--format", "csv", "--out", out, "--spreadsheet").err
    assert first_text(out) == "'=1+1"


def first_text(path: Path) -> str:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(csv.DictReader(file))["text"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--format", "xml"], "xml"),
        (["--min-weight", "1000"], "No sample has a weight of 1000 or more"),
        (["--min-weight", "-1"], "--min-weight"),
        (["--format", "alpaca", "--out", "x.csv"], "does not end in .json"),
        (["--format", "alpaca", "--spreadsheet"], "Only CSV"),
    ],
)
def test_mistakes_end_as_one_sentence(cli: Cli, run: Path, given: list[str], said: str) -> None:
    shown = cli("export", run, *given)
    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_a_folder_without_a_run_or_an_unfinished_one_is_refused(cli: Cli, run: Path) -> None:
    assert "is not a run folder" in cli("export", "nowhere").err
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    shown = cli("export", run)
    assert shown.code == 2
    assert "is not finished" in shown.err


def test_a_reader_that_leaves_hears_nothing_of_it(run: Path) -> None:
    command = [sys.executable, "-m", "synthgen", "export", str(run), "--out", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
    assert said == ""
