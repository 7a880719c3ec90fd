import gzip
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from curating import judge, outcome, task

from synthgen.curate.curator import Curator
from synthgen.curate.words import words
from synthgen.records import Sample

PLMS = ("gpt2-xl", "llama-2-7b-chat-hf", "vicuna-7b-1.5v", "opt-6.7b", "chatglm3-6b-base", "flan-t5-xl")


def rows(path: Path) -> Iterator[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plm", "count"), [("opt-6.7b", 1816), ("gpt2-xl", 1526), ("vicuna-7b-1.5v", 1064), ("llama-2-7b-chat-hf", 452)]
)
def test_placeholders_of_the_pools(shared_data: Path, plm: str, count: int) -> None:
    texts = [str(row["C"]) for row in rows(shared_data / "recorded" / "imdb" / f"{plm}.zeroshot.jsonl.gz")]
    held = [text for text in texts if "<C>" in text]
    assert len(held) == count
    curator = Curator(task(language=None))
    verdicts = [judge(curator, text) for text in held]
    assert not [verdict.text for verdict in verdicts if isinstance(verdict, Sample) and "<C>" in verdict.text]
    assert sum(outcome(verdict) == "placeholder" for verdict in verdicts) >= 0.95 * count


@pytest.mark.parametrize(("seed", "copies", "repeats"), [(42, 118, 106), (12345, 137, 261)])
def test_copies_in_the_feedback_sets(shared_data: Path, seed: int, copies: int, repeats: int) -> None:
    folder = shared_data / "recorded" / "imdb" / f"fusegen_seed{seed}"
    prompts = json.loads((folder / "prompts.json").read_text())
    shown = [sample["text"] for sample in next(iter(prompts["in_context_samples"].values()))]
    curator = Curator(task(language=None, min_words=1))
    curator.show(shown)
    verbatim = []
    for plm in PLMS:
        texts = [str(row["C"]) for row in rows(folder / f"{plm}.jsonl.gz")]
        verbatim += [text for text in texts[200:] if text.strip() in {demo.strip() for demo in shown}]
        if plm.startswith("llama"):
            outcomes = [
                outcome(judge(curator, text, "negative" if row % 2 else "positive")) for row, text in enumerate(texts)
            ]
            assert len(texts) - len({" ".join(words(text)) for text in texts}) == repeats
            assert 1000 - outcomes.count("accepted") >= repeats
    assert len(verbatim) == copies
    allowed = {"demonstration_copy", "placeholder", "unfinished"}
    assert {outcome(judge(curator, text)) for text in verbatim} <= allowed


def test_english_is_not_taken_for_another_language(shared_data: Path) -> None:
    reviews = islice(rows(shared_data / "imdb.train.jsonl.gz"), 300)
    imdb = [str(row["text"]).replace("<br />", " ") for row in reviews]
    sentences = [part for text in imdb for part in re.split(r"(?<=[.!?])\s+", text) if len(part.split()) >= 4]
    mr = [str(row["text"]) for row in islice(rows(shared_data / "mr.train.jsonl.gz"), 4000)]
    # One text in 200 of mr.train is in Spanish, Portuguese or French.
    for texts, allowed in ((sentences, 0.001), (mr, 0.006)):
        curator = Curator(task("sst2"))
        outcomes = [outcome(judge(curator, text.replace('"', "'"))) for text in texts]
        assert outcomes.count("language") <= allowed * len(texts)
        assert outcomes.count("placeholder") + outcomes.count("boilerplate") <= 0.001 * len(texts)
