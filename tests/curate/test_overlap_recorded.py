import gzip
import json
import re
from pathlib import Path

import pytest

from synthgen.curate.overlap import overlaps
from synthgen.curate.words import words

PLMS = ("gpt2-xl", "llama-2-7b-chat-hf", "vicuna-7b-1.5v", "opt-6.7b", "chatglm3-6b-base", "flan-t5-xl")


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def whole(folder: Path, name: str) -> list[str]:
    return [f"{row['text']} {row.get('text_pair', '')}" for row in rows(folder / f"{name}.jsonl.gz")]


def long(texts: list[str]) -> list[str]:
    """Texts that are no shorter than the run, so that no rule for short ones applies."""
    return [text for text in texts if len(words(text)) >= 13]


def plain(text: str) -> str:
    """Letters and digits alone: "don't" is two words."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower())


@pytest.mark.parametrize(
    ("name", "published", "ours"),
    [
        ("agnews", 325, 319),
        ("banking77", 23, 20),
        ("subj", 6, 6),
        ("qnli", 5, 5),
        ("mnli", 25, 24),
        ("rte", 33, 32),
        ("mr", 0, 0),
        ("sst2", 0, 0),
        ("yelp_sentences", 0, 0),
        ("yelp_category", 0, 0),
    ],
)
def test_test_lines_that_share_a_run_with_train(shared_data: Path, name: str, published: int, ours: int) -> None:
    """The published figures count runs of letters and digits; for curation, "don't" is one word and not two."""
    test, train = whole(shared_data, f"{name}.test"), whole(shared_data, f"{name}.train")
    plainly = long([plain(text) for text in test]), long([plain(text) for text in train])
    assert len(overlaps(*plainly).run) == published
    assert len(overlaps(long(test), long(train)).run) == ours


@pytest.mark.parametrize(("name", "run", "near"), [("agnews", 319, 0), ("banking77", 58, 89), ("sst2", 0, 2)])
def test_short_texts_and_near_duplicates(shared_data: Path, name: str, run: int, near: int) -> None:
    test, train = whole(shared_data, f"{name}.test"), whole(shared_data, f"{name}.train")
    found = overlaps(test, train)
    assert (len(found.run), len(found.near)) == (run, near)
    keys = {" ".join(words(text)) for text in train}
    equal = {row for row, text in enumerate(test) if " ".join(words(text)) in keys}
    assert equal <= {*found.run, *found.near}


@pytest.mark.slow
def test_recorded_generations_beside_the_gold_they_are_judged_on(shared_data: Path) -> None:
    """No recorded text stands in imdb.test; a few share a phrase that everybody writes."""
    pools = [row["C"] for plm in PLMS for row in rows(shared_data / "recorded" / "imdb" / f"{plm}.zeroshot.jsonl.gz")]
    gold = whole(shared_data, "imdb.test")
    found = overlaps(pools, gold)
    assert found.near == ()
    keys = {" ".join(words(text)) for text in gold}
    assert not [row for row in found.run if " ".join(words(pools[row])) in keys]
    assert 0 < len(found.run) < 0.001 * len(pools)
    assert overlaps([*pools, *gold[:50]], gold).run[-50:] == tuple(range(len(pools), len(pools) + 50))
