"""The offline embedder: meaning, exactness, and what ships."""

import hashlib

import numpy as np
import pytest

from synthgen.embedders import words
from synthgen.embedders.words import TABLE, WordsEmbedder

TRIPLES = [
    (
        "A moving drama with wonderful performances.",
        "The actors are superb and the story is touching.",
        "My card payment was declined at the shop.",
    ),
    (
        "How do I reset the PIN of my card?",
        "I forgot my passcode, can I change it?",
        "The director wastes a talented cast on a dull script.",
    ),
    (
        "When does the exchange rate for euros change?",
        "Which foreign currencies can I convert to, and at what rates?",
        "My new card has still not arrived in the post.",
    ),
    (
        "The jokes fall flat and nobody in the audience laughed.",
        "An unfunny comedy without a single gag that works.",
        "A detective follows a killer through the streets of London.",
    ),
]


@pytest.mark.parametrize(("text", "close", "far"), TRIPLES)
def test_close_in_meaning_is_close(text: str, close: str, far: str) -> None:
    rows = WordsEmbedder().encode([text, close, far])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.05


@pytest.mark.parametrize(("text", "close", "far"), TRIPLES)
def test_word_vectors_see_it_without_shared_words(text: str, close: str, far: str) -> None:
    mine = set(words.tokens(text))
    close, far = (" ".join(w for w in words.tokens(other) if w not in mine) for other in (close, far))
    rows = WordsEmbedder(wording=0.0).encode([text, close, far])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.05


def test_unknown_words_are_told_apart_and_met_again() -> None:
    rows = WordsEmbedder().encode(["zorblatt quimflex", "zorblatts quimflexes", "grunvald peskari"])
    assert rows[0] @ rows[1] > 0.3
    assert abs(rows[0] @ rows[2]) < 0.3


def test_the_bits_of_a_row_are_known() -> None:
    rows = WordsEmbedder().encode([text for triple in TRIPLES for text in triple] + ["", "zorblatt", "\ud800"])
    digest = hashlib.sha256(rows.astype("<f4").tobytes()).hexdigest()
    assert digest == "43e25db4d142bf8125ed6d600b1d1b7cb05b3c3f6366038f7c8ce27f71de40ec"


def test_the_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {k} about a film of {k % 7} hours" for k in range(40)]
    whole = WordsEmbedder().encode(texts)
    monkeypatch.setattr(words, "_CHUNK", 3)
    assert np.array_equal(WordsEmbedder().encode(texts), whole)


def test_a_megabyte_of_text_and_of_one_word() -> None:
    film = "the plot was warm "
    rows = WordsEmbedder().encode([film * 60_000, film, "".join(map(str, range(200_000)))])
    assert rows[0] @ rows[1] > 0.9
    assert np.isfinite(rows).all()


def test_the_table_is_small_and_holds_single_words_only() -> None:
    assert TABLE.stat().st_size <= 1_500_000
    table = words.load_table()
    assert all(words.tokens(word) == [word] and len(word) <= 24 for word in table.words)
    assert table.vectors.shape == (len(table.words), 128)
    # A word of fewer than five texts has an idf above log(texts / 5).
    assert table.idf.max() <= table.rare - 64 * np.log(5) + 1
