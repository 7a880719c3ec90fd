"""Is what a document shows what a command prints? Wording and structure must agree, and every number that can."""

import re

_ALWAYS = [
    (re.compile(r"\d{8}-\d{6}"), "DATE-TIME"),
    (re.compile(r"(\d+ (h|min) )*[\d,.]+ (s|ms|min|tokens/s)\b"), "# s"),
    (re.compile(r"[\d,.]+ (bytes|kB|MB|GB)\b"), r"# \1"),
    (re.compile(r"\b[0-9a-f]{8,40}\b"), "HASH"),
]
"""Dates, times, rates, sizes and hashes: they differ from one run to the next."""

_DRAWN = re.compile(r"^(accuracy|macro-F1|  by round|  by PLM|rejected|tokens|Round \d+, shares)")
"""Lines whose figures hang on what the PLMs wrote, and so on the processor and torch's threads, or on noise."""

_ALL_DRAWN = re.compile(r"\bsynthgen (compare|samples|evaluate|push|plan)\b")
"""Commands of which every figure does, or on the machine."""

_PROGRESS = re.compile(r"^(Round \d+, .* left\.|Loading .* so far\.)$")
"""Lines that come every few seconds, or not at all on a fast machine."""

_FIGURES = re.compile(r"[-+−]?\d[\d,]*(\.\d+)?")
_WRAPPED = re.compile(r" *\n {12}(?=\S)")
"""A line of the summary that went on where the terminal ended."""
_FRAME = re.compile(r"[\s─│┌┐└┘├┤┬┴┼╭╮╰╯━┃┏┓┗┛┡┩╇╈]+")
ANY = "…"


def masked(text: str, *, every: bool = False) -> list[str]:
    """Return the lines of an output without what may differ: one blank for frames and spaces, # for figures.

    ``every`` figure, or those of lines that are known to differ.
    """
    lines = []
    for line in _WRAPPED.sub(" ", text).splitlines():
        if _PROGRESS.match(line.strip()):
            continue
        drawn = every or _DRAWN.match(line)
        for pattern, replacement in _ALWAYS:
            line = pattern.sub(replacement, line)
        if drawn:
            # Which reasons there are is drawn too.
            line = _FIGURES.sub("#", re.sub(r"^(rejected .*)\(.*", r"\1", line))
        if kept := _FRAME.sub(" ", line).strip():
            lines.append(kept)
    return lines


def difference(command: str, shown: str, printed: str) -> str | None:
    """Return the first line ``shown`` that ``command`` did not print in its place; None where all agree.

    A line ``…`` stands for any lines, and one at the end of a line for the rest of it.
    """
    every = bool(_ALL_DRAWN.search(command))
    actual = masked(printed, every=every)
    at, free = 0, False
    for line in masked(shown, every=every):
        if line == ANY:
            free = True
            continue
        places = range(at, len(actual)) if free else range(at, min(at + 1, len(actual)))
        found = next((place for place in places if _same(line, actual[place])), None)
        if found is None:
            return f"shown:   {line}\nprinted: {actual[at] if at < len(actual) else 'nothing more'}"
        at, free = found + 1, False
    return None if free or at == len(actual) else f"not shown: {actual[at]}"


def _same(shown: str, printed: str) -> bool:
    if shown.endswith(ANY):
        return printed.startswith(shown.removesuffix(ANY).rstrip())
    return shown == printed
