"""The tasks that ship, on recorded data: other tasks' labels, labels by what a text contains, and pairs."""

from collections import Counter
from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold, read_labelled
from synthgen.tasks.registry import load_task
from synthgen.text import Pair


def gold_of(name: str, path: Path) -> Gold:
    found = load_gold(load_task(name), str(path), pocket=False)
    assert found is not None
    return found


def test_ten_labels_out_of_seventy_seven_by_the_ids_of_all(shared_data: Path) -> None:
    path = shared_data / "banking77.test.jsonl.gz"
    every, ten = gold_of("banking77", path), gold_of("banking77-10", path)
    own = set(load_task("banking77-10").labels)
    assert len(own) == 10
    assert [*zip(ten.texts, ten.labels, strict=True)] == [
        pair for pair in zip(every.texts, every.labels, strict=True) if pair[1] in own
    ]
    assert set(Counter(ten.labels).values()) == {40}


def test_news_with_a_dollar_is_about_money(shared_data: Path) -> None:
    path = shared_data / "agnews.test.jsonl.gz"
    plain, marked = gold_of("agnews", path), gold_of("markednews", path)
    assert plain.texts == marked.texts
    for text, before, after in zip(plain.texts, plain.labels, marked.labels, strict=True):
        assert after == ("Money with $" if "$" in text else before)
    assert marked.labels.count("Money with $") == 494


@pytest.mark.parametrize(("name", "recorded"), [("qnli", "qnli.dev"), ("mnli", "mnli.test")])
def test_pairs(shared_data: Path, name: str, recorded: str) -> None:
    path = shared_data / f"{recorded}.jsonl.gz"
    found = gold_of(name, path)
    assert found.text_pairs is not None
    assert found == read_labelled(path, load_task(name).labels)
    first = found.whole[0]
    assert isinstance(first, Pair)
    assert (first.text, first.text_pair) == (found.texts[0], found.text_pairs[0])
    with pytest.raises(UserError, match=f"has no text_pair, and the samples of task {name} are pairs"):
        gold_of(name, shared_data / "imdb.test.jsonl.gz")


def test_pairs_are_no_gold_of_single_texts(shared_data: Path) -> None:
    with pytest.raises(UserError, match="has a text_pair, and the samples of task imdb are single texts"):
        gold_of("imdb", shared_data / "qnli.dev.jsonl.gz")
