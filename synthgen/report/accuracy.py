"""How the accuracy of one run grew, and how its fused data compare with what each PLM wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from synthgen.report.figures import COLOURS, QUIET, house_style, new_figure, notice, save_figure, words
from synthgen.report.wording import percent


def plot_accuracy(metrics: Mapping[str, Any], path: Path) -> None:
    """Write the accuracy figure of ``metrics`` (see ``accuracy_figure``) to ``path``."""
    save_figure(accuracy_figure(metrics), path)


def accuracy_figure(metrics: Mapping[str, Any]) -> Figure:
    """Return accuracy in per cent: by round on the left, by PLM beside the final one on the right.

    Reads ``accuracy, accuracy_by_round, accuracy_by_plm`` (shares in [0, 1] or None) of metrics.json. Where nothing was
    measured the figure says so.
    """
    final = metrics.get("accuracy")
    rounds = [
        (index, 100 * value) for index, value in enumerate(metrics.get("accuracy_by_round") or []) if value is not None
    ]
    bars = [(plm, 100 * value) for plm, value in (metrics.get("accuracy_by_plm") or {}).items() if value is not None]
    bars.sort(key=lambda bar: bar[1])
    if final is not None:
        bars.append(("all, final", 100 * final))
    with house_style():
        figure = new_figure(8.4, max(2.8, 1.4 + 0.32 * len(bars)))
        if not rounds and not bars:
            notice(figure.subplots(), "accuracy was not measured: the run had no gold data")
            return figure
        left, right = figure.subplots(1, 2)
        left.set_title("accuracy by round", loc="left")
        right.set_title("accuracy by PLM", loc="left")
        _lines(left, rounds) if rounds else notice(left, "not measured by round")
        _bars(right, bars) if bars else notice(right, "not measured by PLM")
    return figure


def _lines(axes: Any, rounds: list[tuple[int, float]]) -> None:
    places, values = zip(*rounds, strict=True)
    axes.plot(places, values, color=COLOURS[0], marker="o", markersize=5, linewidth=1.6)
    for place, value in rounds:
        axes.annotate(
            f"{value:.2f}", (place, value), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8
        )
    axes.margins(x=0.12, y=0.28)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="round", ylabel="accuracy on gold (%)")


def _bars(axes: Any, bars: list[tuple[str, float]]) -> None:
    values = [value for _, value in bars]
    colours = [COLOURS[0] if name == "all, final" else "#b9c4cc" for name, _ in bars]
    drawn = axes.barh(range(len(bars)), values, color=colours, height=0.66)
    axes.bar_label(drawn, labels=[percent(value / 100) for value in values], padding=3, fontsize=8)
    axes.set_yticks(range(len(bars)), [words(name) for name, _ in bars])
    axes.tick_params(axis="y", length=0, labelcolor=QUIET)
    axes.grid(visible=False, axis="y")
    axes.set(xlim=(0, 112), xticks=range(0, 101, 20), xlabel="accuracy on gold (%)")
