"""Self-BLEU against nltk, and what the figures must do when texts change."""

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from synthgen.quality.diversity import bleu_tokens, diversity, repeats, self_bleu

TEXTS = st.lists(st.lists(st.sampled_from("abcdé"), max_size=12), min_size=2, max_size=8)


def by_nltk(texts: list[list[str]]) -> list[float]:
    smooth = SmoothingFunction().method1
    weights = [tuple([1 / order] * order) for order in range(1, 6)]
    scores = [
        sentence_bleu(texts[:row] + texts[row + 1 :], text, weights=weight, smoothing_function=smooth)
        for row, text in enumerate(texts)
        for weight in weights
    ]
    return [sum(scores[order::5]) / len(texts) for order in range(5)]


@settings(max_examples=200)
@given(TEXTS)
def test_self_bleu_is_that_of_nltk(texts: list[list[str]]) -> None:
    assert self_bleu(texts) == pytest.approx(by_nltk(texts), rel=1e-9, abs=1e-9)


def test_self_bleu_of_recorded_texts_is_that_of_nltk(shared_data: Path) -> None:
    with gzip.open(shared_data / "mr.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [bleu_tokens(json.loads(line)["text"]) for line in islice(lines, 80)]
    assert self_bleu(texts) == pytest.approx(by_nltk(texts), rel=1e-9)


@given(TEXTS, st.randoms())
def test_self_bleu_knows_no_order_and_stays_in_its_range(texts: list[list[str]], random) -> None:
    scores = self_bleu(texts)
    random.shuffle(texts)
    assert self_bleu(texts) == pytest.approx(scores, abs=1e-12)
    assert all(0 <= score <= 1 for score in scores)


def test_the_ends_of_self_bleu() -> None:
    same = ["one two three four five six".split()] * 3
    assert self_bleu(same) == pytest.approx([1.0] * 5)
    apart = [list("abcdef"), list("ghijkl"), list("mnopqr")]
    assert self_bleu(apart) == [0.0] * 5
    with pytest.raises(ValueError, match="at least two"):
        self_bleu(same[:1])


def test_tokens_keep_case_and_signs() -> None:
    assert bleu_tokens("Don't stop: it's 5/10!") == ["Don't", "stop", ":", "it's", "5", "/", "10", "!"]


def test_vocabulary_is_counted_in_equal_lengths() -> None:
    texts = [f"word{n} common words stand in here" for n in range(2000)]
    found = diversity(texts, seed=3)
    # 10,000 running words are 1,666 whole texts with one word of their own each, and four words of another.
    assert found["types_per_10k"] == pytest.approx(1667 + 5)
    assert found["types"] == 2005
    assert found["mean_words"] == 6
    assert found["sampled"] == 1000
    assert found["distinct"] == pytest.approx([1005 / 6000, 1004 / 5000])
    assert found == diversity(texts, seed=3)
    assert diversity(texts[:100])["types_per_10k"] is None


def test_texts_without_words() -> None:
    found = diversity(["", "...", "?!"])
    assert (found["types"], found["mean_words"], found["distinct"]) == (0, 0.0, [0.0, 0.0])


def test_repeats_are_told_apart() -> None:
    long = "the quick brown fox jumps over the lazy dog near the old river bank today"
    texts = ["A fine film", "a FINE film!", "A fine film", long, f"{long} again", "something else here"]
    labels = ["positive", "positive", "negative", "negative", "negative", "positive"]
    assert repeats(texts, labels) == {"duplicates": 1 / 6, "two_labels": 1 / 6, "near_duplicates": 1 / 6}


def test_planted_repeats_are_found(shared_data: Path) -> None:
    with gzip.open(shared_data / "mr.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 500)]
    texts = list(dict.fromkeys(texts))
    before = repeats(texts, ["a"] * len(texts))
    planted = [*texts, *texts[:50]]
    after = repeats(planted, ["a"] * len(planted))
    assert before["duplicates"] == 0
    assert after["duplicates"] == pytest.approx(50 / len(planted))
    assert after["near_duplicates"] * len(planted) == pytest.approx(before["near_duplicates"] * len(texts))
