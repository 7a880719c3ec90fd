"""Pages of more samples than one looks at: a share is drawn, the page says so, and the figures are of all."""

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting import MANIFEST, METRICS, RECIPE, dynamics, sample_rows

from synthgen.report import drawn as drawing
from synthgen.report.drawn import drawn, hashes
from synthgen.report.page import report_html
from synthgen.runs.sample_table import SampleTable
from synthgen.seeds import short_id

PLMS = ["gpt2", "opt", "vicuna"]


def block(html: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=80), st.integers(1, 60), st.data())
def test_laws_of_what_is_drawn(plms: list[str], most: int, data: st.DataObject) -> None:
    rows = [{"id": f"s{n}", "plm": plm, "label": "xy"[n % 2]} for n, plm in enumerate(plms)]
    always = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=3))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(drawing, "MOST", most)
        places = drawn(SampleTable.of(rows), always).tolist()
        shuffled = data.draw(st.permutations(rows))
        again = drawn(SampleTable.of(shuffled)).tolist()
    assert places == sorted(set(places))
    if len(rows) <= most:
        assert places == list(range(len(rows)))
        return
    sizes, shares = (
        Counter((rows[at]["plm"], rows[at]["label"]) for at in part) for part in (range(len(rows)), places)
    )
    assert set(always) <= set(places)
    for group, size in sizes.items():
        least = max(1, most * size // len(rows))
        assert least <= shares[group] <= least + len(set(always))
    # The order of the samples decides nothing.
    assert {shuffled[at]["id"] for at in again} <= {rows[at]["id"] for at in places}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_samples_are_drawn_by_the_hash_of_their_ids(ids: list[str]) -> None:
    table = SampleTable.of([{"id": id_, "plm": "a", "label": "b"} for id_ in ids])
    assert hashes(table.ids).tolist() == [int(short_id(id_), 16) for id_ in ids]


def test_a_page_of_many_samples_says_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = dynamics(PLMS, 600)
    samples = sample_rows(learned)
    chosen = [[samples[17], samples[333]]]

    def page() -> str:
        return report_html(RECIPE, MANIFEST, METRICS, samples, learned, {}, chosen)

    whole = page()
    assert 'id="drawn"' not in whole
    monkeypatch.setattr(drawing, "MOST", 120)
    html = page()
    held = block(html, "points")
    assert 120 <= held["count"] <= 120 + 36 + 2
    assert held["all"] == 600
    assert f"Map and list hold {held['count']} of 600 samples" in html
    assert len(held["chosen"]) == 2
    texts = re.compile(r"<blockquote class=\"(?:best|worst)\">.*?</blockquote>", re.DOTALL)
    assert texts.findall(html) == texts.findall(whole) != []
    tables = re.compile(r"<table.*?</table>", re.DOTALL)
    assert tables.findall(html) == tables.findall(whole)


def test_what_is_drawn_is_the_same_whatever_the_sizes_are() -> None:
    table = SampleTable.of(sample_rows(dynamics(PLMS, 300)))
    half = table.taken(np.arange(0, 300, 2))
    assert hashes(half.ids).tolist() == hashes(table.ids)[::2].tolist()
