"""Tables for the terminal: the end of a run, a comparison, the best and worst samples. Readable without colour."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from synthgen.report.ranking import RankedSample, SampleGroup
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
        ("tokens", _listed(metrics.get("tokens"), count)),
        ("time", _listed(metrics.get("seconds"), duration)),
    ):
        if text:
            table.add_row(name, Text(text))
    return table


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line a row of ``comparison_rows`` or ``aggregate_rows`` (then with runs and standard deviation).

    Tasks are named where they differ; ``PLMs`` counts them.
    """
    repeated, mixed = any("n" in row for row in rows), len({row["task"] for row in rows}) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold", min_width=12)
    for name in ("task", "method") if mixed else ("method",):
        table.add_column(name, overflow="fold")
    for name in ("PLMs", "samples", "rounds", "runs" if repeated else "seed", "accuracy %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("best PLM alone", justify="right", overflow="fold", min_width=10)
    for name in ("tokens", "minutes"):
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
        len(row["plms"]),
        count(row["samples"]),
        row["rounds"],
        row["n"] if repeated else row["seed"],
        percent(row["accuracy"]) + ("" if spread is None else f" ± {100 * spread:.2f}"),
        f"{clean(row['best_plm'])} {percent(row['best_plm_accuracy'])}" if row["best_plm"] else None,
        None if row["tokens"] is None else f"{row['tokens'] / 1e6:.2f}M",
        None if row["seconds"] is None else f"{row['seconds'] / 60:.1f}",
    ]


def samples_table(groups: Iterable[SampleGroup], *, width: int = 280) -> Group:
    """Return a table per PLM and label; a text is cut after ``width`` characters."""
    return Group(*(_samples(group, width) for group in groups))


def _samples(group: SampleGroup, width: int) -> Table:
    name = Text(f"{clean(group['plm'])} · {clean(group['label'])} · {group['size']:,} samples", style="bold")
    table = Table(box=box.SIMPLE_HEAD, title=name, title_justify="left", pad_edge=False, expand=True)
    table.add_column("", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    table.add_column("variability", justify="right", no_wrap=True)
    table.add_column("round", justify="right", no_wrap=True)
    table.add_column("text", ratio=1, overflow="fold")
    for kind, ranked in (("best", group["best"]), ("worst", group["worst"])):
        for one in ranked:
            table.add_row(
                kind, f"{one['confidence']:.2f}", f"{one['variability']:.2f}", str(one["sample"].get("round", ABSENT)),
                Text(_text(one, width)),
            )  # fmt: skip
    return table


def _text(one: RankedSample, width: int) -> str:
    pair = one["sample"].get("text_pair")
    text = clean(f"{one['sample']['text']} ‖ {pair}" if pair else one["sample"]["text"])
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _listed(values: Mapping[str, Any] | None, worded: Callable[[Any], str]) -> str:
    return ", ".join(f"{clean(name)} {worded(value)}" for name, value in (values or {}).items())


def _rejected(metrics: Mapping[str, Any]) -> str:
    reasons = {name: value for name, value in (metrics.get("rejected_by_reason") or {}).items() if value}
    ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    return f"{sum(ordered.values()):,} ({_listed(ordered, count)})" if ordered else ""
