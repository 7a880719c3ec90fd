"""What holds for every embedder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.embedders.base import Embedder
from synthgen.embedders.registry import make_embedder

TEXTS = [
    "the plot was warm",
    "I lost my card and need a new one.",
    "the cast was awful and the score was dreary and the ending was tired",
    "the plot was warm",
]
ODD = [
    "",
    " \n\t",
    "\U0001f600\U0001f525",
    "!?",
    "\x00",
    "映画はとても面白かった",
    "ы" * 40,
    "\ud800",
    "'",
    "a\u0301",
    "x" * 5000,
]


@pytest.fixture(scope="module", params=["words", "sentence"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "words":
        return make_embedder("words")
    folder: Path = request.getfixturevalue("sentence_folder")
    return make_embedder(str(folder))


def is_unit(rows: np.ndarray) -> bool:
    return bool(np.allclose(np.square(rows.astype(np.float64)).sum(axis=1), 1, atol=1e-6))


def test_unit_rows_of_float32(embedder: Embedder) -> None:
    rows = embedder.encode(TEXTS)
    assert rows.dtype == np.float32
    assert rows.shape[0] == len(TEXTS)
    assert is_unit(rows)


def test_none_is_an_empty_table_of_the_same_width(embedder: Embedder) -> None:
    for alone in (False, True):
        empty = embedder.encode([], alone=alone)
        assert empty.shape == (0, embedder.encode(["a"]).shape[1])
        assert empty.dtype == np.float32


def test_same_texts_same_bits(embedder: Embedder) -> None:
    rows = embedder.encode(TEXTS)
    assert np.array_equal(rows, embedder.encode(TEXTS))
    assert np.array_equal(embedder.encode(TEXTS, alone=True)[0], embedder.encode(TEXTS, alone=True)[3])


def test_rows_come_in_the_order_of_the_texts(embedder: Embedder) -> None:
    np.testing.assert_allclose(embedder.encode(TEXTS[::-1]), embedder.encode(TEXTS)[::-1], atol=1e-5)
    assert not np.allclose(*embedder.encode(TEXTS[:2]), atol=0.05)


def test_alone_a_row_depends_on_no_other_text(embedder: Embedder) -> None:
    single = np.concatenate([embedder.encode([text], alone=True) for text in TEXTS])
    company = embedder.encode(["a " * 300, *TEXTS, "short", "the cast " * 90], alone=True)
    assert np.array_equal(company[1 : 1 + len(TEXTS)], single)


def test_alone_is_close_to_together(embedder: Embedder) -> None:
    np.testing.assert_allclose(embedder.encode(TEXTS, alone=True), embedder.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_strings_have_a_row(embedder: Embedder, text: str) -> None:
    assert is_unit(embedder.encode([text], alone=True))


@settings(max_examples=40)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=5), data=st.data())
def test_any_text_in_any_company(embedder: Embedder, texts: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(texts))))
    rows = embedder.encode(texts, alone=True)
    assert is_unit(rows)
    assert np.array_equal(embedder.encode([texts[k] for k in order], alone=True), rows[list(order)])
