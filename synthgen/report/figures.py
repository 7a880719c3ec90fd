"""What every figure shares: a style that no user setting changes, safe words, and how it is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

from matplotlib import style
from matplotlib.figure import Figure

from synthgen.report.wording import shorten
from synthgen.runs.files import writing

# Okabe & Ito's colours, distinguishable with every common colour vision; yellow is left out, it fades on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
INK = "#222222"
QUIET = "#767676"
DPI = 150

_STYLE: dict[str, Any] = {
    "axes.edgecolor": "#b0b0b0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "figure.titlesize": 12,
    "font.size": 9,
    "grid.color": "#e8e8e8",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelsize": 8,
    "ytick.color": QUIET,
    "ytick.labelsize": 8,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of the reports, whatever style the user's notebook has set."""
    with style.context(["default", _STYLE]):
        yield


def words(value: object, width: int = 28) -> str:
    """Return a user's string as figure text: shortened, dollar signs not mathematics, never hidden from a legend."""
    text = shorten(value, width).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of ``width`` x ``height`` inches without any global state."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` in the format of the suffix of ``path``, creating its folder."""
    with writing(path) as file, house_style(), catch_warnings():
        # A PLM or label named in a script that the bundled font lacks is drawn with boxes: no reason to stop a run.
        filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format=path.suffix.removeprefix("."), dpi=DPI)


def notice(axes: Any, text: str) -> None:
    """Write ``text`` in the middle of otherwise empty ``axes``."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET)
