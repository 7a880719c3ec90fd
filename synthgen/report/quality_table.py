"""The figures of ``quality.measure`` in a table: one column a figure, or one line a figure for a single dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from synthgen.report.wording import ABSENT, clean, count, percent

_SHORT = {
    "words a text": "words",
    "types per 10,000 words": "types/10k",
    "self-BLEU-2 %": "BLEU-2",
    "self-BLEU-4 %": "BLEU-4",
    "distinct-2 %": "dist-2",
    "duplicates %": "dup. %",
    "near duplicates %": "near %",
    "label noise %": "noise %",
    "Fréchet distance": "Fréchet",
}


def quality_table(named: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Return one line for each name, without the figures that none of them has; docs/quality.md explains them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("setting", overflow="fold")
    cells = [quality_cells(quality) for _, quality in named]
    shown = [name for name in cells[0] if any(cell[name] != ABSENT for cell in cells)]
    for name in shown:
        table.add_column(_SHORT[name], justify="right", overflow="fold")
    for (name, _), cell in zip(named, cells, strict=True):
        table.add_row(Text(clean(name)), *(Text(cell[figure]) for figure in shown))
    return table


def evaluation_table(scored: Mapping[str, Any]) -> Table:
    """Return what ``evaluate_dataset`` found, one line a figure."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    gold, frechet = scored["gold"], scored["quality"]["frechet"]
    on = f" on {clean(gold['source'])} ({count(gold['size'])} texts)"
    table.add_row("accuracy %", Text(percent(scored["accuracy"]) + on))
    table.add_row("macro-F1 %", Text(percent(scored["macro_f1"])))
    table.add_row("trained", Text(clean(f"{scored['stm']} on {count(scored['samples'])} samples")))
    for name, said in quality_cells(scored["quality"]).items():
        beside = f" from {frechet['reference']}, by {frechet['embedder']}" if frechet and "distance" in name else ""
        if said != ABSENT:
            table.add_row(name, Text(clean(said + beside)))
    return table


def quality_cells(quality: Mapping[str, Any]) -> dict[str, str]:
    """Return the figures in words; shares are in per cent, a Fréchet distance that is too great is marked so."""
    noise = quality.get("label_noise") or {}
    bleu = quality.get("self_bleu") or [None] * 5
    return {
        "words a text": _number(quality.get("mean_words"), 1),
        "types per 10,000 words": count(quality.get("types_per_10k")),
        "self-BLEU-2 %": percent(bleu[1]),
        "self-BLEU-4 %": percent(bleu[3]),
        "distinct-2 %": percent((quality.get("distinct") or [None, None])[1]),
        "duplicates %": percent(quality.get("duplicates")),
        "near duplicates %": percent(quality.get("near_duplicates")),
        "label noise %": percent(noise.get("share")),
        "Fréchet distance": _distance(quality.get("frechet")),
    }


def _distance(frechet: Mapping[str, Any] | None) -> str:
    if frechet is None:
        return ABSENT
    corrected = frechet["corrected"]
    return f"below {frechet['distance']:.4f}" if corrected is None else f"{corrected:.4f}"


def _number(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:,.{digits}f}"
