"""The picture of a comparison: accuracy by round, the final accuracies, and the differences paired by seed."""

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


class _Point(NamedTuple):
    """One line of a panel, in per cent or points."""

    mean: float
    interval: Sequence[float] | None
    single: Sequence[float]
    said: str


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the comparison figure of ``rows`` (see ``comparison_figure``) to ``path``."""
    save_figure(comparison_figure(rows), path)


def comparison_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Return lines of accuracy by round beside the final accuracies, best on top, which also name the lines.

    ``rows`` come from ``comparison_rows`` or ``aggregate_rows``; of the latter every seed is a small point beside the
    mean, the 95 % interval a bar, and where seeds are paired a third panel has the differences to the baseline. A bar
    longer than the panel, as two seeds give, runs off its edge. Runs without gold are left out.
    """
    known = [row for row in rows if row["accuracy"] is not None]
    known.sort(key=lambda row: -row["accuracy"])
    paired = any((row.get("difference") or {}).get("interval") for row in known)
    with house_style():
        figure = new_figure(14 if paired else 10.5, max(3.4, 1.3 + 0.27 * len(known)))
        if not known:
            notice(figure.subplots(), "nothing to compare: no run measured accuracy on gold data")
            return figure
        panels = figure.subplots(1, 3 if paired else 2, sharex=False, width_ratios=(1.15, 1, 1)[: 3 if paired else 2])
        looks = [_look(index) for index in range(len(known))]
        _lines(panels[0], known, looks)
        repeated = any(row.get("measured", 1) > 1 for row in known)
        _panel(
            panels[1],
            [_accuracy(row) for row in known],
            looks,
            title="final accuracy" + (": mean, 95 % interval, each seed" if repeated else ""),
            label="accuracy on gold (%)",
        )
        panels[1].set_yticks(range(len(known)), [_called(row) for row in known])
        if paired:
            _differences(panels[2], known, looks)
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


def _accuracy(row: Mapping[str, Any]) -> _Point:
    spread, interval = row.get("accuracy_sd"), row.get("accuracy_interval")
    said = percent(row["accuracy"]) + ("" if spread is None else f" ± {100 * spread:.2f}")
    single = [100 * one["accuracy"] for one in row.get("accuracies", ())] if interval else []
    return _Point(100 * row["accuracy"], [100 * end for end in interval] if interval else None, single, said)


def _differences(axes: Any, rows: Sequence[Mapping[str, Any]], looks: Sequence[_Look]) -> None:
    found = [row.get("difference") for row in rows]
    points = [
        _Point(one["points"], one["interval"], [pair["points"] for pair in one["by_seed"]], f"{one['points']:+.2f}")
        if one and one["points"] is not None
        else None
        for one in found
    ]
    baseline = next(one["baseline"] for one in found if one)
    _panel(axes, points, looks, title="difference, paired by seed", label=f"points against {words(baseline)}")
    axes.axvline(0, color=QUIET, linewidth=1, zorder=1)
    axes.set_yticks(range(len(rows)), [""] * len(rows))
    for place, row in enumerate(rows):
        if row["name"] == baseline:
            _beside(axes, place, "baseline")


def _panel(axes: Any, points: Sequence[_Point | None], looks: Sequence[_Look], *, title: str, label: str) -> None:
    axes.set_title(title, loc="left")
    for place, (point, look) in enumerate(zip(points, looks, strict=True)):
        if point is None:
            continue
        if point.interval:
            axes.hlines(place, *point.interval, color=look.colour, linewidth=1.4, zorder=2)
            axes.plot(point.interval, [place] * 2, "|", color=look.colour, markersize=7, zorder=2)
        if len(point.single) > 1:
            below = [place + 0.26] * len(point.single)
            axes.plot(point.single, below, ".", color=look.colour, alpha=0.7, markersize=6.5, markeredgewidth=0)
        axes.plot(point.mean, place, color=look.colour, marker=look.marker, markersize=6.5, zorder=3)
        _beside(axes, place, point.said)
    axes.tick_params(axis="y", length=0, labelcolor=QUIET)
    axes.set(ylim=(len(points) - 0.5, -0.5), xlabel=label, xlim=_limits([point for point in points if point]))


def _beside(axes: Any, place: int, said: str) -> None:
    axes.annotate(
        said, (1, place), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
        fontsize=8,
    )  # fmt: skip


def _limits(points: Sequence[_Point]) -> tuple[float, float]:
    """Return limits that hold all means and seeds, and the ends of intervals that are no more than as far again."""
    firm = [value for point in points for value in (point.mean, *point.single)]
    low, high = min(firm), max(firm)
    reach = max(high - low, 0.5)
    ends = [end for point in points for end in point.interval or ()]
    low = min([low, *(end for end in ends if end >= low - reach)])
    high = max([high, *(end for end in ends if end <= high + reach)])
    return low - 0.06 * max(high - low, 0.5), high + 0.06 * max(high - low, 0.5)


def _called(row: Mapping[str, Any]) -> str:
    return words(row["name"], 34) + (f" (n={row['measured']})" if row.get("measured", 1) > 1 else "")
