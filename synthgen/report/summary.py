"""Tables for the terminal: the end of a run, a comparison. Readable without colour."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from synthgen.report.wording import ABSENT, clean, count, duration, percent, shorten


def summary_table(metrics: Mapping[str, Any]) -> Table:
    """Return what a user sees at the end of a run, from metrics.json: accuracy, samples, rejections, tokens, time."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="left", no_wrap=True, style="bold")
    table.add_column(justify="left", overflow="fold")
    gold = metrics.get("gold") or {}
    final = metrics.get("accuracy")
    on = f" % on {count(gold.get('size'))} gold texts from {shorten(gold.get('source') or 'the user', 60)}"
    table.add_row("accuracy", Text("not measured: no gold data" if final is None else percent(final) + on))
    for name, text in (
        ("  by round", " → ".join(percent(value) for value in metrics.get("accuracy_by_round") or ())),
        ("  by PLM", _listed(metrics.get("accuracy_by_plm"), percent)),
        ("samples", count(metrics.get("samples"))),
        ("  by PLM", _listed(metrics.get("samples_by_plm"), count)),
        ("  by label", _listed(metrics.get("samples_by_label"), count)),
        ("rejected", _rejected(metrics)),
        ("left out", _left_out(metrics)),
        ("tokens", _listed(metrics.get("tokens"), count)),
        ("time", _listed(metrics.get("seconds"), duration)),
    ):
        if text:
            table.add_row(name, Text(text))
    return table


def _left_out(metrics: Mapping[str, Any]) -> str:
    removed = ((metrics.get("decontamination") or {}).get("gold") or {}).get("removed")
    return f"{count(removed)} that overlap a gold text" if removed else ""


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line a row of ``comparison_rows`` or ``aggregate_rows``.

    The latter have the number of runs, the standard deviation over them, and the difference to the baseline in points
    with its 95 % interval. Tasks are named where they differ.
    """
    repeated, mixed = any("n" in row for row in rows), len({row["task"] for row in rows}) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("setting" if repeated else "run", overflow="fold")
    for name in ("task", "method") if mixed else ("method",):
        table.add_column(name, overflow="fold")
    table.add_column("runs" if repeated else "seed", justify="right", no_wrap=True)
    # On a narrow terminal the spread and the interval go below their numbers.
    table.add_column("accuracy %", justify="right")
    if repeated:
        table.add_column("diff.", justify="right")
    table.add_column("macro F1", justify="right")
    for name in ("samples", "tokens", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(ABSENT if cell is None else clean(cell)) for cell in _cells(row, repeated, mixed)))
    return table


def _cells(row: Mapping[str, Any], repeated: bool, mixed: bool) -> list[object]:
    spread = row.get("accuracy_sd")
    return [
        row["name"],
        *([row["task"]] if mixed else []),
        row["method"],
        row["n"] if repeated else row["seed"],
        percent(row["accuracy"]) + ("" if spread is None else f" ± {100 * spread:.2f}"),
        *([_difference(row.get("difference"))] if repeated else []),
        percent(row["macro_f1"]),
        count(row["samples"]),
        None if row["tokens"] is None else f"{row['tokens'] / 1e6:.2f}M",
        None if row["seconds"] is None else f"{row['seconds']:,.0f}",
    ]


def _difference(difference: Mapping[str, Any] | None) -> str | None:
    if difference is None or difference["points"] is None:
        return None
    interval = difference["interval"]
    said = f"{difference['points']:+.2f}"
    return said if interval is None else f"{said} [{interval[0]:+.2f}, {interval[1]:+.2f}]"


def _listed(values: Mapping[str, Any] | None, worded: Callable[[Any], str]) -> str:
    return ", ".join(f"{clean(name)} {worded(value)}" for name, value in (values or {}).items())


def _rejected(metrics: Mapping[str, Any]) -> str:
    reasons = {name: value for name, value in (metrics.get("rejected_by_reason") or {}).items() if value}
    ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    return f"{sum(ordered.values()):,} ({_listed(ordered, count)})" if ordered else ""
