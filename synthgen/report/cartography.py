"""Dataset cartography: where the samples of each PLM lie in variability and confidence.

Swayamdipta et al., "Dataset Cartography" (EMNLP 2020): over training epochs, confidence is the mean and variability
the standard deviation of the probability of the assigned label, correctness the share of epochs that got it right.
"""

from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from synthgen.report.drawn import hashes
from synthgen.report.figures import INK, QUIET, house_style, new_figure, notice, save_figure, words
from synthgen.report.wording import clean

COLUMNS = ("id", "plm", "confidence", "variability", "correctness")
MOST_POINTS = 10_000
# Orange to blue is read by every common colour vision, and the markers repeat it for print and for grey.
BINS = (
    ("0–0.2", "#a63603", "X"),
    ("0.2–0.4", "#e6842a", "v"),
    ("0.4–0.6", "#8d8494", "D"),
    ("0.6–0.8", "#56a0ce", "s"),
    ("0.8–1", "#08519c", "o"),
)
# At the right edge: a probability whose mean is near 0 or 1 cannot vary much, so the corners there are empty.
_REGIONS = ((0.97, "← easy to learn", "top"), (0.50, "ambiguous", "center"), (0.03, "← hard to learn", "bottom"))
_MEAN_LINE: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 3)), "alpha": 0.7}


class _Points(NamedTuple):
    variability: NDArray[np.float64]
    confidence: NDArray[np.float64]
    bin: NDArray[np.int64]
    rank: NDArray[np.uint64]
    plm: NDArray[np.int64]

    def of(self, mask: NDArray[Any]) -> "_Points":
        return _Points(*(column[mask] for column in self))


def plot_cartography(dynamics: Any, path: Path, *, title: str = "") -> None:
    """Write the map of ``dynamics`` (a pyarrow table, see ``cartography_figure``) to ``path``."""
    save_figure(cartography_figure(dynamics, title=title), path)


def cartography_figure(dynamics: Any, *, title: str = "") -> Figure:
    """Return one panel per PLM and, where there are several, one for all of them.

    ``dynamics`` is a pyarrow table with columns ``id, plm`` (strings) and ``confidence, variability, correctness``
    (floats in [0, 1]). Rows with a missing value are left out. A panel draws at most ``MOST_POINTS`` points, chosen by
    a hash of their ids, and its title says so; counts and means are always those of all points.
    """
    names, points = _read(dynamics)
    codes, first = np.unique(points.plm, return_index=True)
    panels = [(names[code], points.of(points.plm == code)) for code in codes[np.argsort(first)].tolist()]
    if len(panels) != 1:
        panels.append(("all PLMs", points))
    columns = _columns(len(panels))
    rows = ceil(len(panels) / columns)
    with house_style():
        figure = new_figure(max(5.2, 3.1 * columns + 0.6), 3.0 * rows + 1.1)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (name, part) in zip(grid.flat, panels, strict=False):
            _panel(axes, name, part)
        _shared_axes(grid, len(panels), points)
        _legend(figure, points)
        if title:
            figure.suptitle(words(title, 90))
    return figure


def _read(dynamics: Any) -> tuple[list[str], _Points]:
    """Return the names of the PLMs, and the points, whose ``plm`` is a place in them."""
    table = dynamics.select(COLUMNS)
    confidence, variability, correctness = (
        table[name].to_numpy().astype(np.float64) for name in ("confidence", "variability", "correctness")
    )
    plm = table["plm"].combine_chunks().dictionary_encode()
    names = list(dict.fromkeys(map(clean, plm.dictionary.to_pylist())))
    place = np.array([names.index(clean(name)) for name in plm.dictionary.to_pylist()], dtype=np.int64)
    finite = np.isfinite(confidence) & np.isfinite(variability) & np.isfinite(correctness)
    bins = np.clip(np.floor(np.where(finite, correctness, 0) * len(BINS) + 1e-9), 0, len(BINS) - 1).astype(np.int64)
    rank = hashes(table["id"].combine_chunks().cast("binary"))
    return names, _Points(variability, confidence, bins, rank, place[plm.indices.to_numpy()]).of(finite)


def _columns(panels: int) -> int:
    return panels if panels <= 3 else 2 if panels == 4 else 3 if panels in {5, 6, 9} else 4


def _panel(axes: Any, name: str, points: _Points) -> None:
    total = len(points.bin)
    shown = points.of(points.rank.argsort(kind="stable")[:MOST_POINTS])
    counts = np.bincount(shown.bin, minlength=len(BINS))
    # The fullest bin first and its points smallest, so that the rare ones are not buried.
    for which in np.argsort(-counts, kind="stable"):
        crowd = np.sqrt(max(counts[which], 1))
        size, alpha = float(np.clip(300 / crowd, 5, 26)), float(np.clip(16 / crowd, 0.28, 0.8))
        here = shown.bin == which
        _, colour, marker = BINS[which]
        axes.scatter(
            shown.variability[here], shown.confidence[here], s=size, c=colour, marker=marker, alpha=alpha, linewidths=0,
            rasterized=True, clip_on=False, zorder=2, gid=f"correctness {which}",
        )  # fmt: skip
    counted = f"{total:,} samples" if total <= MOST_POINTS else f"{MOST_POINTS:,} of {total:,} samples drawn"
    axes.set_title(f"{words(name)}\n", loc="left", fontweight="bold" if name == "all PLMs" else "normal")
    mean = f" · mean {points.confidence.mean():.2f}" if total else ""
    axes.text(0, 1.02, counted + mean, transform=axes.transAxes, fontsize=8, color=QUIET)
    if total:
        axes.axhline(points.confidence.mean(), zorder=3, **_MEAN_LINE)
    for y, region, vertical in _REGIONS:
        axes.text(
            0.98, y, region, transform=axes.transAxes, ha="right", va=vertical, fontsize=8, fontstyle="italic",
            color=QUIET, zorder=4, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip


def _shared_axes(grid: Any, panels: int, points: _Points) -> None:
    widest = float(points.variability.max()) if len(points.bin) else 0.0
    flat = list(grid.flat)
    flat[0].set(xlim=(0, max(0.1, 1.04 * widest)), ylim=(0, 1))
    columns = grid.shape[1]
    for index, axes in enumerate(flat):
        if index >= panels:
            axes.set_axis_off()
            continue
        if index + columns >= panels:
            axes.set_xlabel("variability")
            axes.tick_params(labelbottom=True)
        if index % columns == 0:
            axes.set_ylabel("confidence")
    if not len(points.bin):
        notice(flat[0], "no dynamics to draw")


def _legend(figure: Figure, points: _Points) -> None:
    counts = np.bincount(points.bin, minlength=len(BINS))
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6) for _, colour, marker in BINS]
    names = [f"{name}  ({total:,})" for (name, _, _), total in zip(BINS, counts, strict=True)]
    handles.append(Line2D([], [], **_MEAN_LINE))
    names.append("mean confidence")
    columns = len(handles) if figure.get_figwidth() > 7 else len(handles) // 2
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, title="correctness (samples)", fontsize=8,
        title_fontsize=8, handletextpad=0.1, columnspacing=1.2,
    )  # fmt: skip
