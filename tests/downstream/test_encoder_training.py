from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from synthgen.downstream.encoder.lesson import FEWEST_HELD, Lesson
from synthgen.downstream.encoder.options import EncoderOptions
from synthgen.downstream.encoder.tokens import batches_of_equal_length, lengths
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import UserError

Write = Callable[[int, int], tuple[list[str], IntArray]]


def lesson(lengths: list[int], labels: list[int], weights: list[float], **options: float) -> Lesson:
    rows = np.zeros((len(lengths), 40), dtype=np.int32)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = 1
    settings = EncoderOptions.model_validate(options)
    return Lesson(csr_matrix(rows), np.array(labels), np.array(weights), settings, seed=1, short=False)


SAMPLES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 2), st.sampled_from([0.0, 0.1, 1.0, 5.0])), min_size=1, max_size=200
).filter(lambda samples: any(weight for _, _, weight in samples))


@given(SAMPLES, st.integers(1, 20), st.floats(0, 0.5))
def test_an_epoch_is_every_taught_row_once(samples: list[tuple[int, int, float]], batch: int, share: float) -> None:
    lengths_, labels, weights = (list(column) for column in zip(*samples, strict=True))
    made = lesson(lengths_, labels, weights, batch=batch, held_out=share)
    for epoch in (0, 1):
        batches = list(made.batches(epoch))
        assert sorted(np.concatenate(batches)) == sorted(made.taught)
        assert max(len(rows) for rows in batches) <= batch
    counts = np.flatnonzero(weights)
    assert sorted([*made.taught, *made.held]) == sorted(counts)
    np.testing.assert_allclose(made.importance[counts].mean(), 1)


@given(SAMPLES, st.floats(0.05, 0.5))
def test_the_held_out_have_the_labels_of_all(samples: list[tuple[int, int, float]], share: float) -> None:
    lengths_, labels, weights = (list(column) for column in zip(*samples, strict=True))
    made = lesson(lengths_, labels, weights, held_out=share)
    assert len(made.held) == 0 or len(made.held) >= FEWEST_HELD
    if len(made.held):
        held = np.bincount(made.labels[made.held], minlength=3)
        counted = np.bincount(made.labels[np.flatnonzero(weights)], minlength=3)
        np.testing.assert_allclose(held, share * counted, atol=0.5)


@given(st.lists(st.integers(1, 40), max_size=100), st.integers(1, 300))
def test_scoring_batches_hold_every_row_once_within_their_room(counts: list[int], room: int) -> None:
    rows = csr_matrix(np.array([[1] * count + [0] * (40 - count) for count in counts]).reshape(len(counts), 40))
    batches = batches_of_equal_length(rows, room)
    assert sorted(int(row) for batch in batches for row in batch) == list(range(len(counts)))
    assert all(len(batch) == 1 or len(batch) * lengths(rows)[batch].max() <= room for batch in batches)


def noisy(reviews: Write, count: int) -> tuple[list[str], IntArray, IntArray, IntArray]:
    texts, labels = reviews(count, 0)
    wrong = np.flatnonzero(np.random.default_rng(0).random(count) < 0.2)
    given_labels = labels.copy()
    given_labels[wrong] = 1 - labels[wrong]
    return texts, labels, given_labels, wrong


def test_short_training_remembers_less(tiny_bert: Path, reviews: Write) -> None:
    texts, _, labels, wrong = noisy(reviews, 60)
    options = {"epochs": 30, "lr": 1e-3, "batch": 8, "held_out": 0}
    stm = make_stm(f"encoder:{tiny_bert}", seed=7, options=options)
    features = stm.start(texts)
    short = stm.fit(features, labels, n_labels=2, short=True)
    full = stm.fit(features, labels, n_labels=2)
    at = (wrong, labels[wrong])
    assert short.predict_proba(features)[at].mean() < 0.6 < 0.7 < full.predict_proba(features)[at].mean()
    assert short.epoch_probabilities.shape == (1, 60, 2)
    np.testing.assert_array_equal(short.epoch_probabilities[0], short.predict_proba(features))


def test_early_stopping_keeps_the_best_epoch(tiny_bert: Path, reviews: Write) -> None:
    texts, _, labels, wrong = noisy(reviews, 100)
    options = {"epochs": 30, "lr": 2e-3, "batch": 8, "held_out": 0.2, "patience": 2}
    stm = make_stm(f"encoder:{tiny_bert}", seed=7, options=options)
    features = stm.start(texts)
    fit = stm.fit(features, labels, n_labels=2)
    seen = fit.epoch_probabilities
    held = Lesson(features, labels, np.ones(100), EncoderOptions.model_validate(options), 7, False).held
    losses: FloatArray = -np.log(seen[:, held, labels[held]]).mean(axis=1)
    best = int(losses.argmin())
    # It stopped two epochs after the best one; from there on the last row stands for the rest.
    assert best + 2 < 29
    assert (seen[best + 2 :] == seen[best + 2]).all()
    assert (seen[best + 1] != seen[best]).any()
    np.testing.assert_allclose(fit.predict_proba(features), seen[best], atol=1e-6)
    assert fit.predict_proba(features)[wrong, labels[wrong]].mean() < 0.6


def test_weights_that_know_the_wrong_labels_help(tiny_bert: Path, reviews: Write) -> None:
    texts, labels = reviews(160, 0)
    wrong = np.random.default_rng(1).random(160) < 0.45
    noisy_labels = np.where(wrong, 1 - labels, labels)
    unseen, answers = reviews(100, 1)
    stm = make_stm(f"encoder:{tiny_bert}", seed=0, options={"epochs": 8, "lr": 3e-3, "batch": 8, "patience": 8})
    features = stm.start(texts)

    def accuracy(weights: FloatArray | None) -> float:
        fit = stm.fit(features, noisy_labels, weights, n_labels=2)
        return float((fit.predict_proba(stm.features(unseen)).argmax(axis=1) == answers).mean())

    assert accuracy(np.where(wrong, 0.05, 1.0)) > max(0.9, accuracy(None))


def test_two_seeds_train_differently(tiny_bert: Path, reviews: Write) -> None:
    texts, labels = reviews(40, 0)

    def shown(seed: int) -> FloatArray:
        stm = make_stm(f"encoder:{tiny_bert}", seed=seed, options={"lr": 1e-3})
        features = stm.start(texts)
        return stm.fit(features, labels, n_labels=2).predict_proba(features)

    assert (shown(1) != shown(2)).any()


def test_what_others_draw_does_not_matter(tiny_bert: Path, reviews: Write) -> None:
    texts, labels = reviews(40, 0)
    stm = make_stm(f"encoder:{tiny_bert}", seed=1, options={"lr": 1e-3})
    features = stm.start(texts)
    first = stm.fit(features, labels, n_labels=2).predict_proba(features)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        before = torch.random.get_rng_state()
        second = stm.fit(features, labels, n_labels=2).predict_proba(features)
        assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(first, second)


def test_a_fit_is_what_it_was_after_other_fits(tiny_bert: Path, reviews: Write) -> None:
    texts, labels = reviews(40, 0)
    stm = make_stm(f"encoder:{tiny_bert}", seed=1, options={"lr": 3e-3, "batch": 4})
    features = stm.start(texts)
    fit = stm.fit(features, labels, n_labels=2)
    before = fit.predict_proba(features)
    stm.fit(features, 1 - labels, n_labels=2)
    stm.fit(features, labels, n_labels=4)
    np.testing.assert_array_equal(fit.predict_proba(features), before)


def test_a_training_that_diverges_says_so(tiny_bert: Path, reviews: Write) -> None:
    texts, labels = reviews(40, 0)
    stm = make_stm(f"encoder:{tiny_bert}", seed=0, options={"lr": 1e30})
    with pytest.raises(UserError, match="diverged; choose an lr below 1e"):
        stm.fit(stm.start(texts), labels, n_labels=2)


def test_texts_are_cut_where_the_options_or_the_model_say(tiny_bert: Path) -> None:
    long = ["the plot was dull and " * 300]
    assert make_stm(f"encoder:{tiny_bert}", seed=0).start(long).shape == (1, 512)
    assert make_stm(f"encoder:{tiny_bert}", seed=0, options={"max_length": 600}).start(long).nnz == 512
    short = make_stm(f"encoder:{tiny_bert}", seed=0, options={"max_length": 20}).start(long)
    assert short.shape == (1, 20)
    # The last token is still the one that ends a text.
    assert short[0, 19] == 3 + 1


def test_any_characters_are_read(tiny_bert: Path) -> None:
    stm = make_stm(f"encoder:{tiny_bert}", seed=0)
    assert stm.start(["\ud800 \x00", "", "\U0001f600"]).shape == (3, 512)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epoch": 3}, "has no option 'epoch'; did you mean epochs?"),
        ({"nonsense": 3}, r"has no option 'nonsense'\. It has epochs, lr, batch,"),
        ({"epochs": 0}, "Option 'epochs' of STM encoder: .*greater than or equal to 1"),
        ({"lr": "fast"}, "Option 'lr' of STM encoder"),
        ({"held_out": 1}, "Option 'held_out' of STM encoder"),
    ],
)
def test_wrong_options_are_named(tiny_bert: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        make_stm(f"encoder:{tiny_bert}", seed=0, options=options)


@pytest.mark.parametrize("spec", ["tfidf", "embedding:any"])
def test_stms_without_options_refuse_any(spec: str) -> None:
    with pytest.raises(UserError, match="has no options; remove epochs, lr"):
        make_stm(spec, seed=0, options={"epochs": 3, "lr": 1})
