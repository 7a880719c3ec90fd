"""The table and the files: side by side, in 80 columns, and what a PLM wrote stays text."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting import dynamics, sample_rows
from rich.cells import cell_len
from rich.console import Console

from synthgen.errors import UserError
from synthgen.report.ranking import Scores, best_and_worst, ranked, scattered
from synthgen.report.samples_file import write_samples
from synthgen.report.samples_table import samples_table
from synthgen.runs.sample_table import SampleTable

NASTY = '[bold]x[/bold] \x1b[31m\x07 \u202e a|b <script> "q", \n=1+1 '


def plain(groups, columns: int = 80, **options) -> str:
    out = io.StringIO()
    Console(file=out, width=columns).print(samples_table(groups, **options))
    return out.getvalue()


def groups_of(text: str, n: int = 8, count: int = 1):
    learned = dynamics(["opt"], n)
    return best_and_worst(sample_rows(learned, text), learned, count)


def test_samples_hold_no_markup_and_no_terminal_escapes():
    said = plain(groups_of(NASTY + "word " * 100), 100, width=60)
    assert "[bold]x[/bold]" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert said.count("…") == 4
    assert "opt · negative · 4 samples" in said


def test_best_and_worst_are_beside_each_other():
    lines = plain(groups_of("word " * 30)).splitlines()
    (head, _) = [line for line in lines if line.split() == ["best", "worst"]]
    scores = [line for line in lines if "confidence" in line]
    assert len(scores) == 2
    for line in scores:
        assert line.count("confidence") == 2
        assert line.index("round", 10) == head.index("worst")


@given(st.text(min_size=1), st.integers(1, 4))
def test_nothing_is_wider_than_the_terminal(text, count):
    for line in plain(groups_of(text, count=count)).splitlines():
        assert cell_len(line) <= 80


def test_one_end_has_the_whole_width_and_an_empty_group_a_line():
    samples = sample_rows(dynamics(["opt"], 4), "word " * 40)
    chosen = next(sample["id"] for sample in samples if sample["label"] == "positive")
    values, known = scattered(SampleTable.of(samples), [chosen], influence=[-1.25e-5], after=[2])
    scores = Scores("influence", values, known, (values["influence"],), None)
    said = plain(ranked(samples, scores, 3))
    assert "worst" not in said
    assert "influence -1.25e-05 after round 2" in said
    assert "opt · positive · 1 sample, 1 more without a score" in said
    assert "opt · negative · 0 samples, 2 more without a score" in said
    assert max(map(len, map(str.rstrip, said.splitlines()))) > 60


def test_pairs_are_shown_and_written_whole(tmp_path: Path):
    learned = dynamics(["opt"], 4)
    rows = [{**row, "text_pair": "and its second half"} for row in sample_rows(learned)]
    groups = best_and_worst(rows, learned, 1)
    assert "‖ and its second half" in plain(groups, 200)
    write_samples(tmp_path / "s.csv", groups, [])
    assert (tmp_path / "s.csv").read_text().count("and its second half") == 4


def test_both_data_files_hold_the_same_rows_with_texts_as_they_are(tmp_path: Path):
    groups = groups_of(NASTY, count=2)
    for kind in ("jsonl", "csv"):
        write_samples(tmp_path / f"deep/s.{kind}", groups, ["a note"])
    lines = [json.loads(line) for line in (tmp_path / "deep/s.jsonl").read_text(encoding="utf-8").splitlines()]
    with (tmp_path / "deep/s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows
    assert len(lines) == 8
    assert all(line["text"].startswith(NASTY) for line in lines)
    assert [line["rank"] for line in lines] == [1, 2] * 4
    held = {one["sample"]["id"]: one for group in groups for one in group["best"] + group["worst"]}
    assert {line["id"]: line["confidence"] for line in lines} == {id_: one["confidence"] for id_, one in held.items()}


def test_markdown_is_a_table_that_no_text_breaks_out_of(tmp_path: Path):
    write_samples(tmp_path / "s.md", groups_of(NASTY, count=2), ["By dynamics."])
    said = (tmp_path / "s.md").read_text(encoding="utf-8")
    assert said.startswith("By dynamics.\n")
    assert said.count("\n## opt · ") == 2
    assert "<script" not in said.replace("\\<", "")
    for line in said.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 3
    assert said.count("<br>") == 8


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"\.jsonl, \.csv, \.md"):
        write_samples(tmp_path / "s.xlsx", groups_of("x"), [])
