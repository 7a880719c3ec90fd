"""The tables of docs/performance.md: each stands between two comments and is written anew from the figures."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rows import SAID

UNITS = {
    "per_second": "/s",
    "seconds": "s",
    "megabytes": "MB",
    "gigabytes": "GB",
    "gb_per_second": "GB/s",
    "gflops": "GFLOP/s",
    "tokens_per_second": "tokens/s",
    "microseconds": "µs",
    "milliseconds": "ms",
}


def filled(text: str, results: Mapping[str, Any]) -> str:
    """Return the page with the tables of those parts that ``results`` has; what a part failed with stands in its place.

    Raises ``ValueError`` naming a part that has no place in the page.
    """
    if "machine" in results:
        text = _put(text, "machine", "\n".join(machine_table(results)))
    for name, part in results.get("parts", {}).items():
        body = "\n".join(rows_table(part["rows"])) if "rows" in part else f"Not measured: {part['error']}"
        made = f"`{part['command']}`, {part['seconds']:,.0f} s, {part['commit'] or 'no commit'}, {part['when']}:"
        text = _put(text, name, f"{made}\n\n{body}")
    return text


def places(text: str) -> list[str]:
    """Return the names of the page's places for tables."""
    return re.findall(r"^<!-- bench: ([\w-]+) -->$", text, flags=re.MULTILINE)


def _put(text: str, name: str, body: str) -> str:
    begin, end = f"<!-- bench: {name} -->\n", f"<!-- end: {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"The page has no place for {name}: {begin.strip()} and {end}, each on a line of its own.")
    return f"{before}{begin}\n{body}\n\n{end}{after}"


def machine_table(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the machine is and can do at most."""
    found = results["machine"]
    yield "| machine | |"
    yield "|---|---|"
    yield f"| processor | {found['processor']}, {found['cores']} cores, load {found['load']} when the run began |"
    yield f"| memory | {found['memory_gib']} GiB |"
    yield f"| one thread's copy | {found['copy_gb_per_second']} GB/s, read and written |"
    yield f"| matrix product, single precision | {found['gflops']} GFLOP/s, on one core {found['gflops_one_core']} |"
    yield f"| versions | {', '.join(f'{name} {number}' for name, number in results['versions'].items())} |"


def rows_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table; the column of ratios is left out where there is none."""
    beside = any(one["ratio"] is not None or one["beside"] for one in rows)
    yield "| stage | what | measured |" + (" beside | ratio |" if beside else "")
    yield "|---|---|---|" + ("---|---|" if beside else "")
    for one in rows:
        figures = "; ".join(figure(name, value) for name, value in one.items() if name not in SAID)
        cells = [one["stage"], one["what"], figures]
        if beside:
            cells += [one["beside"], "" if one["ratio"] is None else f"{number(one['ratio'])} ×"]
        yield f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def figure(name: str, value: float | str) -> str:
    """Return a figure with the unit that its name ends in, if any: ``peak_megabytes`` is "peak 358 MB"."""
    said = value if isinstance(value, str) else number(value)
    # The longest first: gb_per_second ends in per_second, too.
    for ending in sorted(UNITS, key=len, reverse=True):
        if f"_{name}".endswith(f"_{ending}"):
            return f"{name.removesuffix(ending).replace('_', ' ')}{said} {UNITS[ending]}"
    return f"{name.replace('_', ' ')} {said}"


def number(value: float) -> str:
    """Return a number with three figures that mean something, and no fewer than its whole part."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
