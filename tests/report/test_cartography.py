import gzip
import json
from pathlib import Path

import matplotlib
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from reporting import dynamics

from synthgen.report.cartography import BINS, MOST_POINTS, cartography_figure, plot_cartography


def titles(figure):
    return [axes.get_title(loc="left").strip() for axes in figure.axes if axes.axison]


def drawn(axes):
    return {int(c.get_gid().split()[-1]): c.get_offsets() for c in axes.collections}


@pytest.mark.parametrize("k", range(1, 9))
def test_a_panel_per_plm_and_one_for_all_with_shared_axes(k):
    plms = [f"plm{i}" for i in range(k)]
    figure = cartography_figure(dynamics(plms, 40 * k), title="two words")
    assert titles(figure) == [*plms, "all PLMs"][: k + 1 if k > 1 else 1]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert figure.get_suptitle() == "two words"
    assert figure.axes[0].get_ylabel() == "confidence"


def test_points_are_where_the_dynamics_say_in_colour_and_marker_of_their_bin():
    table = pa.table(
        {
            "id": ["a", "b", "c", "d"],
            "plm": ["opt"] * 4,
            "confidence": [0.9, 0.1, 0.5, None],
            "variability": [0.05, 0.06, 0.3, 0.1],
            "correctness": [1.0, 0.0, 2 / 3, 0.5],
        }
    )
    figure = cartography_figure(table)
    found = drawn(figure.axes[0])
    assert {which: offsets.tolist() for which, offsets in found.items() if len(offsets)} == {
        4: [[0.05, 0.9]],
        0: [[0.06, 0.1]],
        3: [[0.3, 0.5]],
    }
    for collection in figure.axes[0].collections:
        which = int(collection.get_gid().split()[-1])
        if len(collection.get_offsets()):
            assert to_hex(collection.get_facecolor()[0]) == BINS[which][1]
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "3 samples · mean 0.50" in said
    assert {"← easy to learn", "ambiguous", "← hard to learn"} < set(said)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["0–0.2  (1)", "0.2–0.4  (0)", "0.4–0.6  (0)", "0.6–0.8  (1)", "0.8–1  (1)", "mean confidence"]


def test_colours_and_markers_all_differ():
    assert len({colour for _, colour, _ in BINS}) == len({marker for _, _, marker in BINS}) == len(BINS)


def test_a_crowded_panel_draws_the_same_points_whatever_the_order_and_says_so():
    table = dynamics(["a", "b"], 2 * MOST_POINTS + 2000)
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    panels = []
    for one in (table, shuffled):
        panel = next(x for x in cartography_figure(one).axes if x.get_title(loc="left").strip() == "a")
        panels.append(panel)
        assert any(t.get_text().startswith("10,000 of 11,000 samples drawn") for t in panel.texts)
        assert sum(len(offsets) for offsets in drawn(panel).values()) == MOST_POINTS
    first, second = (sorted(map(tuple, np.vstack(list(drawn(panel).values())))) for panel in panels)
    assert first == second


def test_few_points_are_large_and_many_small():
    few, many = (cartography_figure(dynamics(["a"], n)).axes[0].collections[0] for n in (50, 9000))
    assert few.get_sizes()[0] > 2 * many.get_sizes()[0]
    assert few.get_alpha() > many.get_alpha()
    assert many.get_rasterized()


def test_writes_a_png_of_the_figure_size_whatever_the_users_style(tmp_path: Path):
    path = tmp_path / "plots" / "map.png"
    with matplotlib.rc_context({"savefig.bbox": "tight", "axes.facecolor": "black", "figure.facecolor": "black"}):
        plot_cartography(dynamics(["llama2", "opt", "gpt2"], 90), path, title="imdb")
    width, height = cartography_figure(dynamics(["llama2", "opt", "gpt2"], 90)).get_size_inches()
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (round(150 * width), round(150 * height))
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize("name", [r"$\frac$", "_hidden", "模型", "a\nb", "org/" + "long-" * 40, "\x1b[31mred"])
def test_any_plm_name_can_be_drawn(tmp_path: Path, name: str):
    plot_cartography(dynamics([name, "opt"], 20), tmp_path / "map.png", title=name)
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_no_dynamics_is_said(tmp_path: Path):
    figure = cartography_figure(dynamics(["a"], 4).slice(0, 0))
    assert "no dynamics to draw" in [text.get_text() for text in figure.axes[0].texts]


def test_a_recorded_pool_as_it_is(shared_data: Path, tmp_path: Path):
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    with gzip.open(shared_data / "recorded" / "imdb" / "gpt2-xl.zeroshot.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(300), strict=False)]
    features = HashingVectorizer(n_features=2**12).transform([row["C"] for row in rows])
    labels = np.array([int(row["Y"]) for row in rows])
    model = SGDClassifier(loss="log_loss", random_state=0)
    epochs = [
        model.partial_fit(features, labels, classes=[0, 1]).predict_proba(features)[range(300), labels]
        for _ in range(5)
    ]
    p = np.stack(epochs, axis=1)
    table = pa.table(
        {
            "id": [str(i) for i in range(300)],
            "plm": ["gpt2"] * 300,
            "confidence": p.mean(1),
            "variability": p.std(1),
            "correctness": (p > 0.5).mean(1),
        }
    )
    plot_cartography(table, tmp_path / "map.png")
    panel = cartography_figure(table).axes[0]
    assert sum(len(offsets) for offsets in drawn(panel).values()) == 300
    assert panel.get_xlim()[1] >= p.std(1).max()
