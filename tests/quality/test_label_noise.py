"""Confident learning: by hand, against a slow reading of the paper, and with labels turned on purpose."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream.registry import make_stm
from synthgen.quality.label_noise import calibrated_joint, label_noise

NAMES = ("negative", "positive")


def slowly(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    n, size = chances.shape
    thresholds = {j: np.mean([chances[i, j] for i in range(n) if labels[i] == j]) for j in set(labels)}
    counts = np.zeros((size, size))
    for i in range(n):
        above = [j for j in thresholds if chances[i, j] >= thresholds[j]]
        if above:
            counts[labels[i], max(above, key=lambda j: (chances[i, j], -j))] += 1
    joint = np.zeros((size, size))
    for j in set(labels):
        row = counts[j] if counts[j].sum() else np.eye(size)[j]
        joint[j] = row / row.sum() * sum(labels == j) / n
    return joint


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 40))
def test_the_joint_is_that_of_the_paper(seed: int, size: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    chances, labels = rng.dirichlet(np.ones(size), n), rng.integers(0, size, n)
    joint = calibrated_joint(chances, labels)
    assert joint == pytest.approx(slowly(chances, labels))
    assert joint.sum() == pytest.approx(1)
    assert joint.sum(axis=1) == pytest.approx(np.bincount(labels, minlength=size) / n)


def test_the_joint_by_hand() -> None:
    first = np.array([0.9, 0.8, 0.1, 0.3, 0.95, 0.2])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Thresholds: 0.6 for the first label, (0.7 + 0.05 + 0.8) / 3 = 0.517 for the second.
    joint = calibrated_joint(np.column_stack([first, 1 - first]), labels)
    assert joint == pytest.approx(np.array([[2 / 6, 1 / 6], [1 / 6, 2 / 6]]))


def recorded(shared_data: Path, name: str, count: int) -> tuple[list[str], np.ndarray]:
    with gzip.open(shared_data / "recorded" / "imdb" / f"{name}.zeroshot.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    # The files are not shuffled.
    rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:count]]
    # Their 0 is positive.
    return [row["C"] for row in rows], np.array([1 - row["Y"] for row in rows])


def planted(labels: np.ndarray, share: float) -> np.ndarray:
    turned = np.random.default_rng(1).random(len(labels)) < share
    return np.where(turned, 1 - labels, labels)


@pytest.mark.slow
@pytest.mark.parametrize(("plm", "bias"), [("llama-2-7b-chat-hf", 0.015), ("vicuna-7b-1.5v", 0.05)])
def test_the_estimate_follows_planted_noise_in_recorded_generations(shared_data: Path, plm: str, bias: float) -> None:
    texts, labels = recorded(shared_data, plm, 4000)
    stm = make_stm("tfidf", seed=0)
    estimates, truths = [], []
    for share in (0, 0.1, 0.2, 0.3):
        given = planted(labels, share)
        found = label_noise(texts, given, stm=stm, label_names=NAMES)
        assert found is not None
        truths.append(float((given != labels).mean()))
        estimates.append(found["share"])
        assert found["share"] <= found["disagreement"]
    assert all(-0.01 <= estimate - truth <= bias for estimate, truth in zip(estimates, truths, strict=True))


def test_noise_of_one_label_is_found_there(shared_data: Path) -> None:
    texts, labels = recorded(shared_data, "llama-2-7b-chat-hf", 2000)
    turned = np.where(np.random.default_rng(0).random(2000) < 0.3, 1, labels)
    found = label_noise(texts, turned, stm=make_stm("tfidf", seed=0), label_names=NAMES)
    assert found is not None
    wrong = float((labels[turned == 1] == 0).mean())
    # Noise on one side only is found there, but not all of it.
    assert 0.5 * wrong < found["by_label"]["positive"] < wrong
    assert found["by_label"]["negative"] < 0.02


def test_copies_do_not_vouch_for_each_other(shared_data: Path) -> None:
    texts, labels = recorded(shared_data, "llama-2-7b-chat-hf", 600)
    labels = planted(labels, 0.2)
    stm = make_stm("tfidf", seed=0)
    once = label_noise(texts, labels, stm=stm, label_names=NAMES)
    thrice = label_noise([*texts, *texts, *texts], np.tile(labels, 3), stm=stm, label_names=NAMES)
    assert once is not None
    assert thrice is not None
    # Were a wrong text's copies in other folds, they would be learned by heart and nothing looked wrong.
    assert thrice["share"] == pytest.approx(once["share"], abs=0.05)


def test_it_is_repeatable_and_needs_enough_texts(shared_data: Path) -> None:
    texts, labels = recorded(shared_data, "vicuna-7b-1.5v", 400)
    stm = make_stm("tfidf", seed=0)
    assert label_noise(texts, labels, stm=stm, label_names=NAMES, seed=4) == label_noise(
        texts, labels, stm=make_stm("tfidf", seed=0), label_names=NAMES, seed=4
    )
    few = ["one film", "two films", "three films", "four films", "five films"]
    assert label_noise(few, np.array([0, 0, 0, 1, 1]), stm=stm, label_names=NAMES) is None
    assert label_noise(few * 4, np.array([0, 1, 0, 1, 0] * 4), stm=stm, label_names=NAMES) is None
    assert label_noise(texts, np.zeros(400, dtype=np.int64), stm=stm, label_names=NAMES) is None
