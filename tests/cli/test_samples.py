"""``samples`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import SCRIPTED, Cli


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that no test writes to."""
    folder = tmp_path_factory.mktemp("samples")
    command = [sys.executable, "-m", "synthgen", *SCRIPTED, "--gold", "none", "--out", "run"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "run"


def test_the_table_fits_80_columns(cli: Cli, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = cli("samples", run, "--count", 2, "--plm", "opt")
    assert ran.code == 0, ran.err
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "opt · negative" in ran.out
    assert "opt · positive" in ran.out
    assert "llama2" not in ran.out
    assert ran.out.count("confidence") == 8
    assert "By dynamics" in ran.out


def test_files_beside_the_table_and_json_alone(cli: Cli, run: Path) -> None:
    for kind in ("jsonl", "csv", "md"):
        assert f"good/table.{kind}" in cli("samples", run, "--label", "positive", "--out", f"good/table.{kind}").out
    groups = json.loads(cli("samples", run, "--label", "positive", "--out", "other.jsonl", "--json").out)
    written = [json.loads(line) for line in Path("good/table.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Path("other.jsonl").read_bytes() == Path("good/table.jsonl").read_bytes()
    shown = [one["sample"]["id"] for group in groups for one in group["best"] + group["worst"]]
    assert [row["id"] for row in written] == shown
    assert {group["label"] for group in groups} == {"positive"}
    assert len(set(shown)) == len(shown) == 12


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--by", "votes"], "in which no private samples vote"),
        (["--by", "vote"], "is not one of"),
        (["--plm", "llama"], "did you mean llama2?"),
        (["--label", "positiv"], "did you mean positive?"),
        (["--out", "table.xlsx"], ".jsonl, .csv, .md"),
        (["--count", "0"], "--count"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(cli: Cli, run: Path, arguments: list[str], says: str) -> None:
    ran = cli("samples", run, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_no_run_and_an_unfinished_one(cli: Cli, run: Path, tmp_path: Path) -> None:
    assert cli("samples", "nowhere").code == 2
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "recipe.yaml").write_bytes((run / "recipe.yaml").read_bytes())
    ran = cli("samples", "half")
    assert ran.code == 2
    assert "not finished" in ran.err
