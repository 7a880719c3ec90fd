import io

import pytest
from reporting import METRICS, RECIPE
from rich.console import Console

from synthgen.report.comparison import aggregate_rows, comparison_rows
from synthgen.report.summary import comparison_table, summary_table


def plain(renderable, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


def test_the_end_of_a_run_in_one_table():
    said = plain(summary_table(METRICS))
    for words in (
        "87.24 % on 25,000 gold texts from org/reviews",
        "80.00 → 81.00 → – → 87.00",
        "gpt2 79.00, opt 84.56",
        "480",
        "negative 241, positive 239",
        "1,215 (duplicate 1,203, too_short 12)",
        "prompt 9,000, completion 31,000, cached 0",
        "generate 50.5 s, learn 3.0 s, total 1 min 01 s",
    ):
        assert words in said
    assert "\x1b" not in said


@pytest.mark.parametrize("metrics", [{}, {**METRICS, "accuracy": None, "accuracy_by_plm": {}, "gold": None}])
def test_without_gold(metrics):
    said = plain(summary_table(metrics))
    assert "not measured: no gold data" in said
    assert "None" not in said


def test_comparison_fits_100_columns_with_and_without_seeds():
    rows = comparison_rows(
        [(f"run-{seed}", {**RECIPE, "seed": seed}, {**METRICS, "accuracy": 0.8 + seed / 100}) for seed in (1, 3)]
        + [("bare", {"task": "imdb"}, {})]
    )
    alone = plain(comparison_table(rows), 100)
    assert [line.split()[0] for line in alone.splitlines() if "fusegen" in line] == ["run-1", "run-3"]
    assert "81.00" in alone
    assert "diff." not in alone
    together = plain(comparison_table(aggregate_rows(rows)), 100)
    assert "82.00 ± 1.41" in together
    assert "task" not in together
    assert "None" not in alone + together
    assert max(map(len, together.splitlines())) <= 100


def test_a_line_has_the_difference_with_its_interval():
    runs = [
        (
            f"{arm}/seed-{seed}",
            {**RECIPE, "method": arm, "seed": seed},
            {**METRICS, "accuracy": accuracy, "macro_f1": 0.7},
        )
        for arm, seed, accuracy in (
            ("zerogen", 0, 0.80),
            ("zerogen", 1, 0.82),
            ("fusegen", 0, 0.83),
            ("fusegen", 1, 0.84),
        )
    ]
    rows = comparison_rows(runs, arms=[name.split("/")[0] for name, _, _ in runs])
    said = plain(comparison_table(aggregate_rows(rows)), 100)
    (line,) = [line for line in said.splitlines() if line.strip().startswith("fusegen")]
    assert line.split() == ("fusegen fusegen 2 83.50 ± 0.71 +2.50 [-3.85, +8.85] 70.00 480 0.04M 61".split())
    assert max(map(len, said.splitlines())) <= 100
    narrow = " ".join(plain(comparison_table(aggregate_rows(rows)), 80).split())
    for number in ("83.50 ± +2.50", " 0.71 ", "+2.50", "[-3.85,", "+8.85]", "70.00", "480", "0.04M", "seconds", " 61"):
        assert number in narrow


def test_tasks_are_named_where_they_differ():
    rows = comparison_rows([("a", RECIPE, METRICS), ("b", {**RECIPE, "task": "sst2"}, METRICS)])
    assert "sst2" in plain(comparison_table(rows))


def test_samples_that_overlap_gold_are_told_and_nothing_where_none_do():
    found = {"gold": {"removed": 1234, "by": {"run": 1234, "near": 0}, "texts": 9}, "private": None}
    assert "1,234 that overlap a gold text" in plain(summary_table({**METRICS, "decontamination": found}))
    assert "left out" not in plain(summary_table(METRICS))
