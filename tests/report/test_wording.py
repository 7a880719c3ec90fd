import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.report.wording import clean, count, duration, percent, shorten


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_clean_is_one_encodable_line_and_stays(text):
    once = clean(text)
    once.encode()
    assert once.isprintable() or {c for c in once if not c.isprintable()} <= set("\u200c\u200d")
    assert clean(once) == once


@settings(deadline=None, max_examples=50)
@given(st.text(), st.integers(3, 40))
def test_shorten_never_exceeds_its_width(text, width):
    short = shorten(text, width)
    assert len(short) <= width
    assert len(clean(text)) > width or short == clean(text)


def test_ordinary_text_is_left_alone():
    assert clean("Zoë paid 5 € for “tea” 👩\u200d🔬") == "Zoë paid 5 € for “tea” 👩\u200d🔬"


@pytest.mark.parametrize(
    ("seconds", "worded"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (None, "–")],
)
def test_duration(seconds, worded):
    assert duration(seconds) == worded


def test_numbers():
    assert (percent(0.8724), percent(None), percent(1)) == ("87.24", "–", "100.00")
    assert (count(1234567), count(None)) == ("1,234,567", "–")


@pytest.mark.parametrize("module", ["summary", "comparison", "ranking", "card", "page"])
def test_what_draws_nothing_loads_no_drawing_library(module):
    heavy = "{'matplotlib', 'torch', 'transformers', 'sklearn', 'scipy', 'datasets'}"
    code = f"import sys, synthgen.report.{module}; assert not {heavy} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", code], check=True)
