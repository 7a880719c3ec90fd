"""What the card of a private run says, and what it must not."""

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from reporting import MANIFEST, METRICS, RECIPE

import synthgen
from synthgen.report.card import card_of_run, dataset_card

PROMISE = {
    "epsilon": 4.0,
    "delta": 1e-05,
    "adjacency": "add-remove one record",
    "noise": "operating system entropy",
    "parties": 1,
    "public": "label names; that there are fewer than 1/delta samples",
}
LEDGER = {
    "promised": PROMISE,
    "spent": {"epsilon": 3.25, "delta": 1e-05},
    "releases": [
        {"name": "00 sums", "mechanism": "gaussian", "cost": 0.8},
        {"name": "01 choice", "mechanism": "exponential", "cost": 0.3},
    ],
}
FILTERED = {**METRICS, "decontamination": {"gold": None, "private": "removed, not counted"}}


def card(privacy: dict[str, Any], metrics: dict[str, Any] = METRICS, ledger: Any = None) -> DatasetCard:
    return DatasetCard(dataset_card(RECIPE, {**MANIFEST, "privacy": privacy}, metrics, ledger=ledger))


def test_promise_and_spending_are_told_with_what_they_mean() -> None:
    read = card(PROMISE, ledger=LEDGER)
    for said in (
        "differential privacy of epsilon 4, delta 1e-05.",
        "- spent: epsilon 3.25, delta 1e-05, in 2 releases",
        "- mechanism: discrete Gaussian noise on counts and sums and the exponential mechanism",
        "- neighbours (adjacency): add-remove one record (two private sets that differ by one text more or less)",
        "- unit protected: each private text by itself",
        "- taken as public: label names; that there",
        "its noise makes another dataset",
    ):
        assert said in read.text
    assert "differential-privacy" in read.data.tags
    assert "spent" not in card(PROMISE).text


def test_parties_are_another_unit() -> None:
    shared = {"adjacency": "replace-one one party", "parties": 5, "trust": "only the sum is seen", "honest_parties": 4}
    text = card({**PROMISE, **shared}).text
    assert "- unit protected: all texts of one party together" in text
    assert "differ in the texts of one party, which are others" in text
    assert "- 5 parties; only the sum is seen; the noise of 4 of them suffices" in text


def test_what_the_private_texts_filtered_is_not_called_private() -> None:
    read = card(PROMISE, FILTERED, LEDGER)
    assert "**One step is not covered by that promise**" in read.text
    assert "they are not counted here" in read.text
    assert "differential-privacy" not in read.data.tags
    assert "One step is not covered" not in card(PROMISE).text


@pytest.mark.parametrize(
    ("privacy", "said"),
    [
        ({"promised": "nothing: the private samples are not protected"}, "**without any protection**"),
        ({**PROMISE, "noise": "INSECURE: seeded, for tests"}, "**No protection**"),
    ],
)
def test_no_protection_is_said_loudly(privacy: dict[str, Any], said: str) -> None:
    read = card(privacy, FILTERED)
    assert said in read.text
    assert "differential-privacy" not in read.data.tags
    assert "differential privacy of" not in read.text


@pytest.mark.parametrize("method", ["wasp", "augpe"])
def test_the_number_of_private_samples_changes_nothing_on_the_card(tmp_path: Path, method: str) -> None:
    """Two runs whose noise and choices are the same, on 13 and on 26 private samples, have one card."""
    cards = []
    for copies in (1, 2):
        rows = [
            {"text": f"A private text about lighthouse {number} and its keeper.", "label": label}
            for number, label in enumerate(["negative", "positive"] * 6 + ["positive"])
        ]
        private = tmp_path / f"clinic-{copies}.jsonl"
        private.write_text("".join(json.dumps(row) + "\n" for row in rows * copies), encoding="utf-8")
        run = synthgen.wasp(
            [private], ["llama2", "opt"], method=method, task="imdb", engine="scripted", samples=20, rounds=1, demos=4,
            candidates=8, gold="none", out=tmp_path / f"run-{method}-{copies}",
        )  # fmt: skip
        made = card_of_run(run)
        assert "clinic" not in made
        assert "lighthouse" not in made
        cards.append(made)
    sections = [one.partition("## Privacy")[2].partition("## What is in it")[0] for one in cards]
    assert sections[0] == sections[1] != ""
    repeats = [one.partition("## How to repeat it")[2] for one in cards]
    assert repeats[0] == repeats[1] != ""
