from pathlib import Path

import pytest
from PIL import Image
from reporting import METRICS

from synthgen.report.accuracy import accuracy_figure, plot_accuracy


def test_rounds_and_plms_are_drawn_in_per_cent():
    left, right = accuracy_figure(METRICS).axes
    line = left.lines[0]
    assert list(line.get_xdata()) == [0, 1, 3]
    assert list(line.get_ydata()) == pytest.approx([80.0, 81.0, 87.0])
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["gpt2", "opt", "all, final"]
    assert [bar.get_width() for bar in right.patches] == pytest.approx([79.0, 84.56, 87.24])
    assert [text.get_text() for text in right.texts] == ["79.00", "84.56", "87.24"]


@pytest.mark.parametrize(
    "metrics",
    [{}, {"accuracy": None, "accuracy_by_round": [None, None], "accuracy_by_plm": {"opt": None}}],
)
def test_without_gold_the_figure_says_so(metrics, tmp_path: Path):
    (axes,) = accuracy_figure(metrics).axes
    assert "no gold data" in axes.texts[0].get_text()
    plot_accuracy(metrics, tmp_path / "accuracy.png")
    with Image.open(tmp_path / "accuracy.png") as image:
        assert image.size == (1260, 420)


def test_one_plm_and_one_round():
    left, right = accuracy_figure({"accuracy": 0.5, "accuracy_by_round": [0.5], "accuracy_by_plm": {"a": 0.5}}).axes
    assert len(left.lines[0].get_xdata()) == 1
    assert len(right.patches) == 2
