"""The picture of a comparison: accuracy by round, and a ranking of the final accuracies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from synthgen.report.figures import COLOURS, QUIET, house_style, new_figure, notice, save_figure, words
from synthgen.report.wording import percent

_MARKERS = "osD^v"
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))


class _Look(NamedTuple):
    colour: str
    marker: str
    dash: Any


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the comparison figure of ``rows`` (see ``comparison_figure``) to ``path``."""
    save_figure(comparison_figure(rows), path)


def comparison_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Return lines of accuracy by round beside the final accuracies, best on top, which also name the lines.

    ``rows`` come from ``comparison_rows`` or ``aggregate_rows``; the latter's standard deviations become error bars.
    Runs without gold are left out.
    """
    known = [row for row in rows if row["accuracy"] is not None]
    known.sort(key=lambda row: -row["accuracy"])
    with house_style():
        figure = new_figure(10.5, max(3.4, 1.3 + 0.27 * len(known)))
        if not known:
            notice(figure.subplots(), "nothing to compare: no run measured accuracy on gold data")
            return figure
        left, right = figure.subplots(1, 2, sharex=False, width_ratios=(1.15, 1))
        looks = [_look(index) for index in range(len(known))]
        _lines(left, known, looks)
        _ranking(right, known, looks)
    return figure


def _look(index: int) -> _Look:
    return _Look(
        COLOURS[index % len(COLOURS)], _MARKERS[index % len(_MARKERS)], _DASHES[index // len(COLOURS) % len(_DASHES)]
    )


def _lines(axes: Any, rows: Sequence[Mapping[str, Any]], looks: Sequence[_Look]) -> None:
    axes.set_title("accuracy by round", loc="left")
    drawn = False
    for row, look in zip(reversed(rows), reversed(looks), strict=True):
        points = [(place, 100 * value) for place, value in enumerate(row["accuracy_by_round"]) if value is not None]
        if points:
            drawn = True
            places, values = zip(*points, strict=True)
            axes.plot(places, values, color=look.colour, marker=look.marker, linestyle=look.dash, markersize=4.5)
    if not drawn:
        notice(axes, "not measured by round")
        return
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="round", ylabel="accuracy on gold (%)")


def _ranking(axes: Any, rows: Sequence[Mapping[str, Any]], looks: Sequence[_Look]) -> None:
    axes.set_title("final accuracy", loc="left")
    for place, (row, look) in enumerate(zip(rows, looks, strict=True)):
        value, spread = 100 * row["accuracy"], 100 * (row.get("accuracy_sd") or 0)
        axes.errorbar(
            value, place, xerr=spread or None, color=look.colour, marker=look.marker, markersize=6.5, capsize=3,
            elinewidth=1.2, zorder=3,
        )  # fmt: skip
        said = percent(value / 100) + (f" ± {spread:.2f}" if spread else "")
        axes.annotate(
            said, (1, place), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_called(row) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=QUIET)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="accuracy on gold (%)")
    axes.margins(x=0.1)


def _called(row: Mapping[str, Any]) -> str:
    return words(row["name"], 34) + (f" (n={row['measured']})" if row.get("measured", 1) > 1 else "")
