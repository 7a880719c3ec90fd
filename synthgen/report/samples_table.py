"""Best and worst samples side by side, for a terminal of 80 columns or more. Readable without colour."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from synthgen.report.ranking import SampleGroup
from synthgen.report.wording import ABSENT, clean, count

_DIGITS = {"weight": ".3f", "influence": ".3g"}


def samples_table(groups: Iterable[SampleGroup], *, width: int = 280) -> Group:
    """Return a table per PLM and label, in one column where there is one end only.

    A text is cut after ``width`` characters.
    """
    return Group(*(_samples(group, width) for group in groups))


def heading(group: SampleGroup) -> str:
    """Return PLM, label and the number of samples; others' strings are as they are."""
    unscored = f", {count(group['left_out'])} more without a score" if group["left_out"] else ""
    samples = "1 sample" if group["size"] == 1 else f"{count(group['size'])} samples"
    return f"{group['plm']} · {group['label']} · {samples}{unscored}"


def scores_said(one: Mapping[str, Any]) -> str:
    """Return the round a ranked sample was written in, and its scores, in a few words."""
    written = f"round {one['sample'].get('round', ABSENT)}"
    if "confidence" in one:
        return f"{written}, confidence {one['confidence']:.2f} ± {one['variability']:.2f}"
    name = next(name for name in one if name not in {"sample", "after"})
    after = f" after round {one['after']}" if "after" in one else ""
    return f"{written}, {name} {format(one[name], _DIGITS.get(name, '.2f'))}{after}"


def whole(one: Mapping[str, Any]) -> str:
    """Return a ranked sample's text on one line, both where it is a pair."""
    pair = one["sample"].get("text_pair")
    return clean(f"{one['sample']['text']} ‖ {pair}" if pair else one["sample"]["text"])


def _samples(group: SampleGroup, width: int) -> Table | Group:
    name = Text(clean(heading(group)), style="bold")
    ends: list[tuple[str, Sequence[Mapping[str, Any]]]] = [
        (end, ranked) for end, ranked in (("best", group["best"]), ("worst", group["worst"])) if ranked
    ]
    if not ends:
        return Group(name, Text())
    table = Table(
        box=box.SIMPLE_HEAD, title=name, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0), leading=1,
        expand=True,
    )  # fmt: skip
    for end, _ in ends:
        table.add_column(end, ratio=1, overflow="fold")
    for row in zip_longest(*(ranked for _, ranked in ends)):
        table.add_row(*(Text() if one is None else _cell(one, width) for one in row))
    return table


def _cell(one: Mapping[str, Any], width: int) -> Text:
    text = whole(one)
    short = text if len(text) <= width else f"{text[: width - 1]}…"
    return Text.assemble((scores_said(one), "dim"), "\n", short)
