import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reporting import METRICS, RECIPE

from synthgen.errors import UserError
from synthgen.report.comparison import aggregate_rows, comparison_rows, difference_note
from synthgen.report.comparison_plot import comparison_figure, plot_comparison


def run(name: str, seed: int = 0, accuracy: float | None = 0.8, **settings: Any):
    return name, {**RECIPE, "seed": seed, **settings}, {**METRICS, "accuracy": accuracy}


def test_a_row_says_what_was_run_and_what_came_out():
    (row,) = comparison_rows([("first", RECIPE, METRICS)])
    setting = row.pop("setting")
    assert row == {
        "name": "first",
        "arm": None,
        "method": "fusegen",
        "task": "imdb",
        "plms": ["gpt2", "opt"],
        "samples": 480,
        "rounds": 3,
        "seed": 7,
        "accuracy": 0.8724,
        "macro_f1": None,
        "accuracy_by_round": [0.8, 0.81, None, 0.87],
        "best_plm": "opt",
        "best_plm_accuracy": 0.8456,
        "quality": None,
        "tokens": 40000,
        "seconds": 61.25,
        "gold": {"source": "org/reviews", "size": 25000},
        "pooled": False,
    }
    assert "seed" not in setting


def test_a_row_without_gold_and_without_anything():
    (row,) = comparison_rows([("empty", {}, {})])
    assert row["accuracy"] is row["best_plm"] is row["tokens"] is row["seconds"] is None
    assert aggregate_rows([row])[0]["accuracy"] is None


def test_seeds_of_one_setting_become_one_row_with_spread():
    rows = comparison_rows([run("a", 1, 0.80), run("other", 1, 0.5, demos=8), run("b", 2, 0.84), run("c", 3, 0.88)])
    first, second = aggregate_rows(rows)
    assert (first["n"], first["measured"], first["seeds"], first["seed"]) == (3, 3, [1, 2, 3], None)
    assert first["accuracy"] == pytest.approx(0.84)
    assert first["accuracy_sd"] == pytest.approx(0.04)
    assert first["accuracy_by_round"] == [pytest.approx(0.8), pytest.approx(0.81), None, pytest.approx(0.87)]
    assert (second["n"], second["name"], second["accuracy_sd"]) == (1, "other", None)


def test_runs_without_gold_do_not_lower_the_mean():
    (row,) = aggregate_rows(comparison_rows([run("a", 1, None), run("b", 2, 0.9)]))
    assert (row["accuracy"], row["measured"], row["n"], row["accuracy_sd"]) == (0.9, 1, 2, None)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.floats(0, 1)), max_size=12), st.randoms())
def test_aggregation_counts_every_run_and_knows_no_order(drawn, random):
    runs = [run(str(i), i, accuracy, demos=setting) for i, (setting, accuracy) in enumerate(drawn)]
    before = {row["setting"]: row for row in aggregate_rows(comparison_rows(runs))}
    random.shuffle(runs)
    after = aggregate_rows(comparison_rows(runs))
    assert sum(row["n"] for row in after) == len(runs)
    assert len(after) == len({setting for setting, _ in drawn})
    for row in after:
        same = before[row["setting"]]
        assert (row["n"], row["measured"]) == (same["n"], same["measured"])
        assert (row["accuracy"] is None) == (row["measured"] == 0)
        if row["accuracy"] is not None:
            assert math.isclose(row["accuracy"], same["accuracy"], abs_tol=1e-12)
            assert 0 <= row["accuracy"] <= 1


def test_the_figure_ranks_the_runs_and_gives_lines_and_points_one_look():
    runs = [run(f"run {i}", accuracy=0.7 + i / 100, demos=i) for i in range(20)]
    left, right = comparison_figure(comparison_rows(runs)).axes
    assert [tick.get_text() for tick in right.get_yticklabels()] == [f"run {i}" for i in range(19, -1, -1)]
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in left.lines]
    assert len(set(looks)) == 20
    points = [(line.get_color(), line.get_marker()) for line in right.lines]
    assert points == [look[:2] for look in reversed(looks)]
    top, bottom = right.get_ylim()[1], right.get_ylim()[0]
    assert top < bottom


def test_seeds_show_as_error_bars_and_runs_without_gold_are_left_out(tmp_path: Path):
    rows = aggregate_rows(comparison_rows([run("a", 1, 0.8), run("b", 2, 0.82), run("none", demos=9, accuracy=None)]))
    _, right = comparison_figure(rows).axes
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["a (n=2)"]
    assert [text.get_text() for text in right.texts] == ["81.00 ± 1.41"]
    plot_comparison(rows, tmp_path / "comparison.png")
    with Image.open(tmp_path / "comparison.png") as image:
        assert image.size == (1575, 510)


def study(**arms: list[float]) -> list[dict[str, Any]]:
    runs = [
        run(f"{arm}/seed-{seed}", seed, accuracy, method=arm, pool=[f"pool-{seed}.jsonl"])
        for arm, values in arms.items()
        for seed, accuracy in enumerate(values)
    ]
    return comparison_rows(runs, arms=[name.split("/")[0] for name, _, _ in runs])


def test_runs_of_an_arm_are_repetitions_whatever_pool_their_seed_has():
    rows = aggregate_rows(study(zerogen=[0.8, 0.82, 0.84], fusegen=[0.81, 0.85, 0.83]))
    assert [(row["name"], row["n"]) for row in rows] == [("zerogen", 3), ("fusegen", 3)]
    assert [one["seed"] for one in rows[1]["accuracies"]] == [0, 1, 2]
    low, high = rows[0]["accuracy_interval"]
    assert low < 0.82 < high
    assert high - 0.82 == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-3)


def test_settings_are_compared_with_a_baseline_seed_by_seed():
    rows = study(zerogen=[0.8, 0.82, 0.84], fusegen=[0.81, 0.85, 0.83], wasp=[0.9])
    first, second, third = aggregate_rows(rows)
    assert first["difference"] is None
    assert second["difference"]["baseline"] == "zerogen"
    assert [one["points"] for one in second["difference"]["by_seed"]] == pytest.approx([1, 3, -1])
    assert second["difference"]["points"] == pytest.approx(1)
    assert (third["difference"]["pairs"], third["difference"]["interval"]) == (1, None)
    assert "to zerogen, paired by seed, with 95 %" in (difference_note([first, second, third]) or "")
    turned = aggregate_rows(rows, baseline="fusegen")
    assert turned[0]["difference"]["points"] == pytest.approx(-second["difference"]["points"])
    assert turned[1]["difference"] is None
    with pytest.raises(UserError, match=r"no setting 'fusgen'.*did you mean fusegen\?"):
        aggregate_rows(rows, baseline="fusgen")


def test_what_was_measured_on_something_else_is_not_compared():
    other = {**METRICS, "gold": {"source": "file:mine.jsonl", "size": 25000}}
    rows = aggregate_rows(
        comparison_rows(
            [run("a"), ("b", {**RECIPE, "demos": 8}, other), run("c", task="sst2"), run("d", demos=9, accuracy=None)]
        )
    )
    assert [row["difference"] and row["difference"]["points"] for row in rows] == [None] * 4
    assert difference_note(rows) is None


def test_arms_of_one_name_with_two_settings_stay_apart():
    runs = [run("x/seed-0", 0), run("x/seed-1", 1, demos=8)]
    rows = aggregate_rows(comparison_rows(runs, arms=["x", "x"]))
    assert [(row["name"], row["n"]) for row in rows] == [("x/seed-0", 1), ("x/seed-1", 1)]


def test_quality_is_averaged_figure_by_figure():
    found = [
        {"self_bleu": [0.5, 0.25], "label_noise": {"share": 0.1, "stm": "tfidf"}, "types_per_10k": None},
        {"self_bleu": [0.7, 0.75], "label_noise": {"share": 0.3, "stm": "tfidf"}, "types_per_10k": 900.0},
    ]
    runs = [(str(n), {**RECIPE, "seed": n}, {**METRICS, "macro_f1": 0.8, "quality": q}) for n, q in enumerate(found)]
    (row,) = aggregate_rows(comparison_rows(runs))
    assert row["quality"]["self_bleu"] == pytest.approx([0.6, 0.5])
    assert row["quality"]["label_noise"] == {"share": pytest.approx(0.2), "stm": "tfidf"}
    assert row["quality"]["types_per_10k"] is None
    assert row["macro_f1"] == pytest.approx(0.8)


def test_the_figure_shows_seeds_intervals_and_differences():
    rows = aggregate_rows(study(zerogen=[0.8, 0.82, 0.84], fusegen=[0.81, 0.85, 0.83]))
    _, right, paired = comparison_figure(rows).axes
    dots = [line for line in right.lines if line.get_marker() == "."]
    assert [sorted(line.get_xdata()) for line in dots] == [
        pytest.approx([81, 83, 85]),
        pytest.approx([80, 82, 84]),
    ]
    (ends,) = [line for line in paired.lines if line.get_marker() == "|"]
    assert list(ends.get_xdata()) == pytest.approx(rows[1]["difference"]["interval"])
    assert [text.get_text() for text in paired.texts] == ["+1.00", "baseline"]
    assert paired.get_xlabel() == "points against zerogen"


def test_a_bar_of_two_seeds_does_not_squeeze_the_points():
    rows = aggregate_rows(study(zerogen=[0.80, 0.82], fusegen=[0.81, 0.82]))
    right = comparison_figure(rows).axes[1]
    low, high = right.get_xlim()
    assert high - low < 8 < 100 * (rows[0]["accuracy_interval"][1] - rows[0]["accuracy_interval"][0])
    assert low < 80 < 82 < high


def test_nothing_measured_is_said():
    (axes,) = comparison_figure(comparison_rows([run("a", accuracy=None)])).axes
    assert axes.texts[0].get_text().startswith("nothing to compare")
