"""The page of a comparison: settings with their intervals, rounds, costs and quality, in one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.report.comparison import FAIRNESS, difference_note
from synthgen.report.embed import json_block, policy, scripts, template
from synthgen.report.quality_table import quality_cells
from synthgen.report.wording import ABSENT, clean
from synthgen.runs.files import write_bytes

_SCRIPTS = ("data.js", "charts.js", "compare.js")
_WIDE = 200.0


def write_comparison(rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write ``comparison_html`` to ``path``."""
    write_bytes(path, comparison_html(rows, groups).encode())


def comparison_html(rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of ``rows`` from ``comparison_rows`` and ``groups``, what ``aggregate_rows`` made of them."""
    inline = scripts(*_SCRIPTS)
    axis = _axis(groups)
    charts = _charts(rows, groups)
    return template("comparison.html").render(
        policy=policy(inline),
        scripts=inline,
        title="synthgen · comparison",
        fairness=FAIRNESS,
        note=difference_note(groups),
        runs=len(rows),
        rows=rows,
        groups=groups,
        table=[_line(row, axis) for row in groups],
        axis=axis,
        repeated=any(row["measured"] > 1 for row in groups),
        mixed=len({row["task"] for row in groups}) > 1,
        rounds=max((len(row["accuracy_by_round"]) for row in groups), default=0),
        has_rounds="rounds" in charts,
        has_costs="costs" in charts,
        quality=_quality(groups),
        charts=json_block(charts),
    )


def _line(row: Mapping[str, Any], axis: Sequence[float] | None) -> dict[str, Any]:
    drawn = None
    if axis and row["accuracy"] is not None:
        interval = row["accuracy_interval"]
        drawn = {
            "mean": _place(row["accuracy"], axis),
            "ends": [_place(end, axis) for end in interval] if interval else None,
            "single": [_place(one["accuracy"], axis) for one in row["accuracies"]] if row["measured"] > 1 else [],
        }
    return {
        **row,
        "spread": row["accuracy_sd"],
        "interval": row["accuracy_interval"],
        "difference": _difference(row["difference"]),
        "picture": drawn,
    }


def _difference(difference: Mapping[str, Any] | None) -> str | None:
    if difference is None or difference["points"] is None:
        return None
    said = f"{difference['points']:+.2f}"
    return (
        f"{said} [{difference['interval'][0]:+.2f}, {difference['interval'][1]:+.2f}]"
        if difference["interval"]
        else said
    )


def _axis(groups: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """Return the ends of the drawn scale: all single accuracies, and as far again for the intervals."""
    known = [one["accuracy"] for row in groups for one in row["accuracies"]]
    if not known:
        return None
    low, high = min(known), max(known)
    reach = max(high - low, 0.01)
    return [max(0.0, low - reach / 2), min(1.0, high + reach / 2)]


def _place(value: float, axis: Sequence[float]) -> float:
    """Return where on the picture's width ``value`` stands, at its edge where it is outside."""
    share = (value - axis[0]) / (axis[1] - axis[0])
    return round(_WIDE * min(1.0, max(0.0, share)), 1)


def _charts(rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the page's script draws; a series is a run, its ``group`` the place of its setting."""
    place = {(row["arm"], row["setting"]): index for index, row in enumerate(groups)}
    shared = {"y": "accuracy on gold (%)", "digits": 2, "groups": [clean(row["name"]) for row in groups]}
    lines, points = [], []
    for row in rows:
        run = {"name": clean(row["name"]), "group": place[row["arm"], row["setting"]]}
        known = [[number, 100 * value] for number, value in enumerate(row["accuracy_by_round"]) if value is not None]
        if known:
            lines.append({**run, "values": known})
        if row["accuracy"] is not None and row["tokens"] is not None:
            points.append({**run, "values": [[row["tokens"], 100 * row["accuracy"]]]})
    charts: dict[str, dict[str, Any]] = {}
    if lines:
        charts["rounds"] = {**shared, "x": "after round", "series": lines}
    if points:
        charts["costs"] = {**shared, "x": "tokens", "dots": True, "series": points}
    return charts


def _quality(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    measured = [(row["name"], quality_cells(row["quality"])) for row in groups if row["quality"]]
    if not measured:
        return None
    heads = [name for name in measured[0][1] if any(cells[name] != ABSENT for _, cells in measured)]
    return {"heads": heads, "lines": [(name, [cells[head] for head in heads]) for name, cells in measured]}
