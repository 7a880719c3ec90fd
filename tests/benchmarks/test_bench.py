"""`make bench`: one JSON file, the tables of docs/performance.md, and failures that are said."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bench
import pytest
from bench import PARTS, Part, run_part
from hypothesis import given
from hypothesis import strategies as st
from page import figure, filled, number, places, rows_table
from rows import check_rows, row, write_rows
from scale import Measured, told

ROOT = Path(__file__).parents[2]
PAGE = "# Page\n\n<!-- bench: one -->\n<!-- end: one -->\n\nBetween.\n\n<!-- bench: two -->\nold\n<!-- end: two -->\n"
MACHINE = "<!-- bench: machine -->\n<!-- end: machine -->\n"
WELL = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--json")
parser.add_argument("--n")
given = parser.parse_args()
row = {"stage": "s", "what": f"w{given.n}", "seconds": 2.0, "beside": "theirs", "ratio": 3.0}
pathlib.Path(given.json).write_text(json.dumps([row]))
"""


def result(**part: Any) -> dict[str, Any]:
    return {"command": "python x.py", "seconds": 1.0, "commit": "abc", "when": "2026-11-23", **part}


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("name", PARTS)
def test_every_part_can_be_asked_what_it_does(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / PARTS[name].script), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "--json" in ran.stdout
    for option in (word for word in (*PARTS[name].given, *PARTS[name].quick) if word.startswith("--")):
        assert option in ran.stdout, f"{PARTS[name].script} does not know {option}"


def test_the_page_has_a_place_for_every_part_and_no_other() -> None:
    assert sorted(places((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))) == sorted([*PARTS, "machine"])


def test_a_part_hands_over_its_rows(script: Any) -> None:
    part = Part(script("well.py", WELL), ("--n", "1"), ("--n", "2"))
    found = run_part("well", part, quick=False)
    assert found["rows"] == [{"stage": "s", "what": "w1", "seconds": 2.0, "beside": "theirs", "ratio": 3.0}]
    assert run_part("well", part, quick=True)["rows"][0]["what"] == "w2"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import sys; sys.exit(3)", "code 3"),
        ("pass", "cannot be read"),
        ("import sys; open(sys.argv[-1], 'w').write('[{}]')", "no row of"),
        ("import sys; open(sys.argv[-1], 'w').write('{')", "cannot be read"),
    ],
)
def test_a_part_that_fails_is_said(script: Any, text: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = run_part("ill", Part(script("ill.py", text)), quick=False)
    assert why in found["error"]
    assert "ill failed" in capfd.readouterr().err


def test_one_that_fails_does_not_stop_the_others(
    tmp_path: Path, script: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = {"one": Part(script("one.py", "raise SystemExit(1)")), "two": Part(script("two.py", WELL))}
    monkeypatch.setattr(bench, "PARTS", parts)
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text(PAGE + MACHINE, encoding="utf-8")
    words = ["--json", str(figures), "--page", str(page)]
    assert bench.main(["--only", "one", "two", *words]) == 1
    assert "Failed: one." in capfd.readouterr().err
    kept = json.loads(figures.read_text(encoding="utf-8"))
    assert set(kept["parts"]["two"]) == {"command", "seconds", "commit", "when", "rows"}
    assert set(kept["machine"]) >= {"cores", "memory_gib", "copy_gb_per_second", "gflops"}
    assert kept["machine"]["copy_gb_per_second"] > 0
    assert "numpy" in kept["versions"]
    text = page.read_text(encoding="utf-8")
    assert "Not measured: it ended with code 1." in text
    assert "| s | wNone | 2 s | theirs | 3 × |" in text

    parts["one"] = parts["two"]
    assert bench.main(["--only", "one", *words]) == 0
    assert json.loads(figures.read_text(encoding="utf-8"))["parts"]["two"] == kept["parts"]["two"]


def test_a_page_without_a_place_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        bench.main(["--only", "start", "--page", str(page), "--json", str(tmp_path / "x.json")])
    assert ended.value.code == 2
    assert "no place for start" in capsys.readouterr().err


def test_a_real_part_runs_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), "--quick", "--only", "start", "--page", "none"]
    ran = subprocess.run([*command, "--json", str(tmp_path / "x.json")], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["parts"]["start"]["rows"]
    modules = {one["what"]: one["modules"] for one in found}
    assert modules["`python -c pass`"] < modules["`synthgen --version`"] <= modules["`synthgen fusegen --help`"]


def test_tables_are_written_between_their_marks_and_again() -> None:
    results = {"parts": {"one": result(rows=[row("s", "w", seconds=1.5)]), "two": result(error="it broke.")}}
    text = filled(PAGE, results)
    assert filled(text, results) == text
    assert "old" not in text
    assert "Between." in text
    assert "| s | w | 1.5 s |" in text
    assert "Not measured: it broke." in text
    assert places(text) == ["one", "two"]
    with pytest.raises(ValueError, match="no place for three"):
        filled(PAGE, {"parts": {"three": result(error="x")}})


def test_a_part_that_was_not_measured_keeps_its_table() -> None:
    before = filled(PAGE, {"parts": {"two": result(rows=[row("s", "w", seconds=7.0)])}})
    assert "7 s" in filled(before, {"parts": {"one": result(error="x")}})


@given(
    st.lists(
        st.builds(
            lambda stage, what, seconds, beside, ratio: row(stage, what, seconds=seconds, beside=beside, ratio=ratio),
            st.text(st.characters(exclude_categories=["C", "Z"])),
            st.text(st.characters(exclude_categories=["C", "Z"])),
            st.floats(0, 1e9),
            st.text(st.characters(exclude_categories=["C", "Z"])),
            st.none() | st.floats(0, 1e6),
        ),
        min_size=1,
    )
)
def test_a_table_has_as_many_cells_in_every_line(rows: list[dict[str, Any]]) -> None:
    lines = list(rows_table(rows))
    assert len(lines) == len(rows) + 2
    assert len({line.count("|") for line in lines}) == 1
    assert check_rows(json.loads(json.dumps(rows))) == rows


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        [{"stage": "s"}],
        [{"stage": "s", "what": "w", "beside": "", "ratio": None}],
        [{"stage": "s", "what": "w", "beside": "", "ratio": "2 x", "seconds": 1}],
    ],
)
def test_what_is_no_row_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError):
        check_rows(wrong)


def test_figures_are_said_with_their_units() -> None:
    assert figure("peak_megabytes", 358.2) == "peak 358 MB"
    assert figure("gb_per_second", 4.25) == "4.25 GB/s"
    assert figure("tokens_per_second", 12345) == "12,345 tokens/s"
    assert figure("modules", 12) == "modules 12"
    assert (number(0), number(0.01234), number(99.95), number(1234.5)) == ("0", "0.0123", "100", "1,234")


def test_rows_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("s", "w", per_second=5, beside="theirs", ratio=2.0)]
    write_rows(tmp_path / "rows.json", iter(rows))
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8")) == rows
    assert capsys.readouterr().out == "s: w: per_second 5; 2 x theirs\n"


def test_the_ratio_of_sizes_is_one_where_it_is_flat() -> None:
    def run(samples: int, each: float) -> Measured:
        stages = ("generate", "curate", "learn", "select", "evaluate", "total")
        seconds = dict.fromkeys(stages, samples * each * 0.5)
        return Measured(samples, samples * each, samples * each, 10**9, 10**6, seconds)

    flat, slow = ([one["ratio"] for one in told([run(1000, 0.001), run(10_000, each)])] for each in (0.001, 0.002))
    assert flat == pytest.approx([1.0] * len(flat))
    assert slow[len(slow) // 2 :] == pytest.approx([0.5] * (len(slow) // 2))


def test_a_size_is_measured_by_a_real_run(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "scale.py"), "--sizes", "36", "72", "--largest", "50"]
    words = ["--rounds", "1", "--json", str(tmp_path / "x.json")]
    ran = subprocess.run([*command, *words], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr[-2000:]
    first, *_ = check_rows(json.loads((tmp_path / "x.json").read_text(encoding="utf-8")))
    assert first["stage"] == "36 samples"
    # Less than a bare Python would be the parent's own memory, a thousandth of it kilobytes taken for bytes.
    assert 50 < first["peak_megabytes"] < 5000
