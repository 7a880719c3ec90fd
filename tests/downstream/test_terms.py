import gc
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream import terms as module
from synthgen.downstream.rows import matrix
from synthgen.downstream.terms import ENTRY, Read, Terms
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.errors import SynthgenError
from synthgen.text import Pair


class Reader:
    """Reads characters as terms, and keeps count of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Read:
        self.asked += texts
        found = [sorted({character: text.count(character) for character in text}.items()) for text in texts]
        entries = [(ord(character) % 2**32, count) for some in found for character, count in some]
        return np.array([len(some) for some in found], dtype=np.int64), np.array(entries, dtype=ENTRY)


@given(st.lists(st.lists(st.text("abcd", max_size=4), max_size=30), max_size=6))
def test_every_text_is_read_once_and_found_again(starts: list[list[str]]) -> None:
    read = Reader()
    terms = Terms(read)
    for texts in starts:
        places = terms.places(texts)
        found = [(lengths, entries) for lengths, entries in terms.blocks(places)]
        expected = [Reader()(texts)] if texts else []
        for (lengths, entries), (wanted, theirs) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(lengths, wanted)
            assert entries.tolist() == theirs.tolist()
        ids, counts = terms.frequencies(places)
        assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {
            ord(one): sum(one in text for text in texts) for text in texts for one in text
        }
    assert sorted(read.asked) == sorted({text for texts in starts for text in texts})


def test_many_texts_in_any_order_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_IN_MEMORY", 100)
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abcdefgh"), 5)) for _ in range(400)]
    terms = Terms(Reader())
    places = terms.places(texts)
    order = random.permutation(400)
    entries = np.concatenate([entries for _, entries in terms.blocks(places[order])])
    assert entries.tolist() == Reader()([texts[row] for row in order])[1].tolist()
    _, counts = terms.frequencies(places)
    assert counts.sum() == len(entries)


def test_a_pair_is_no_text_and_its_parting_matters() -> None:
    terms = Terms(Reader())
    places = terms.places(["a\nb", Pair("a", "b"), "ab", Pair("ab", ""), Pair("", "ab"), Pair("a", "b")])
    assert places.tolist() == [0, 1, 2, 3, 4, 1]


def test_texts_are_made_when_asked_for_and_gone_through_once() -> None:
    class Lazy(Sequence[str]):
        passes = 0

        def __len__(self) -> int:
            return 30

        def __getitem__(self, at: int) -> str:  # type: ignore[override]
            raise AssertionError("single texts were asked for")

        def __iter__(self) -> Iterator[str]:
            self.passes += 1
            return (f"text number {row % 5} of many" for row in range(30))

    lazy, stm = Lazy(), TfidfSTM()
    started = matrix(stm.start(lazy)).toarray()
    assert lazy.passes == 1
    np.testing.assert_array_equal(started, matrix(TfidfSTM().start(list(lazy))).toarray())


def test_no_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = Terms(Reader())
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")
    known = terms.places(["before"])
    terms._file.close()
    with full.open("r+b", buffering=0) as file:
        terms._file = file  # type: ignore[assignment]
        with pytest.raises(SynthgenError, match=r"find no room in .*TMPDIR"):
            terms.places(["other"])
    # With room again nothing is mixed up with what was half written.
    np.testing.assert_array_equal(terms.places(["before"]), known)
    assert terms.places(["other", "before"]).tolist() == [1, 0]


def test_the_file_has_no_name_and_is_closed_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_IN_MEMORY", 1)
    stm = TfidfSTM()
    stm.start(["some words", "more words"])
    file = stm._terms._file
    assert not list(tmp_path.iterdir())
    assert not file.closed
    del stm
    gc.collect()
    assert file.closed
