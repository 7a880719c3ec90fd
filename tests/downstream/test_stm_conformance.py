from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthgen.downstream.registry import make_stm
from synthgen.downstream.rows import matrix
from synthgen.downstream.stm import STM, Features, IntArray
from synthgen.downstream.watch import EPOCHS
from synthgen.text import Pair

Write = Callable[[int, int], tuple[list[str], IntArray]]


# What an encoder of random weights takes to learn anything from a few dozen texts.
EAGER = {"epochs": 8, "lr": 3e-3, "batch": 4, "patience": 8}


@pytest.fixture(params=["tfidf", "embedding", "encoder"])
def stm(request: pytest.FixtureRequest) -> STM:
    spec = request.param
    if spec == "tfidf":
        return make_stm(spec, seed=7)
    folder: Path = request.getfixturevalue("tiny_encoder" if spec == "embedding" else "tiny_bert")
    return make_stm(f"{spec}:{folder}", seed=7, options=EAGER if spec == "encoder" else {})


@pytest.fixture(params=["texts", "pairs"])
def reviews(request: pytest.FixtureRequest, reviews: Write) -> Write:
    """The toy reviews, as they are or cut in two."""
    if request.param == "texts":
        return reviews

    def cut(n: int, seed: int) -> tuple[list[str], IntArray]:
        texts, labels = reviews(n, seed)
        return [Pair(*text.split(" and ", 1)) for text in texts], labels

    return cut


def alike(texts: Sequence[str], start: Sequence[str]) -> Sequence[str]:
    """Return texts, or pairs of them where those of the start are pairs."""
    return [Pair(text, text) for text in texts] if isinstance(start[0], Pair) else texts


def dense(features: Features) -> np.ndarray:
    return features if isinstance(features, np.ndarray) else matrix(features).toarray()


def test_probabilities_have_a_row_a_text_and_sum_to_one(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(40, 0)
    fit = stm.fit(stm.start(texts), labels, n_labels=3)
    shown = fit.predict_proba(stm.features(texts[:7]))
    assert shown.shape == (7, 3)
    epochs = EAGER["epochs"] if stm.name.startswith("encoder") else EPOCHS
    assert fit.epoch_probabilities.shape == (epochs, 40, 3)
    np.testing.assert_allclose(shown.sum(axis=1), 1)
    np.testing.assert_allclose(fit.epoch_probabilities.sum(axis=2), 1)


def test_learns_a_separable_set(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(400, 0)
    unseen, answers = reviews(100, 1)
    fit = stm.fit(stm.start(texts), labels, n_labels=2)
    assert (fit.predict_proba(stm.features(unseen)).argmax(axis=1) == answers).mean() > 0.95


def test_equal_input_gives_equal_output_to_the_bit(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(40, 0)

    def run() -> tuple[np.ndarray, np.ndarray]:
        features = stm.start(texts)
        fit = stm.fit(features, labels, n_labels=2)
        return fit.predict_proba(features), fit.epoch_probabilities

    for first, second in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_fit_each_is_fit_of_each(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    parts = [np.arange(0, 30), np.arange(20, 60)]
    each = stm.fit_each([(features[rows], labels[rows]) for rows in parts], n_labels=2)
    for rows, fit in zip(parts, each, strict=True):
        alone = stm.fit(features[rows], labels[rows], n_labels=2)
        np.testing.assert_array_equal(fit.predict_proba(features), alone.predict_proba(features))
        np.testing.assert_array_equal(fit.epoch_probabilities, alone.epoch_probabilities)


def test_texts_seen_before_change_no_feature(stm: STM, reviews: Write) -> None:
    texts, _ = reviews(40, 0)
    first = dense(stm.start(texts))
    stm.start(reviews(60, 5)[0])
    stm.features(alike(["words nobody met before"], texts))
    np.testing.assert_array_equal(dense(stm.start(texts)), first)


def test_start_returns_the_features_of_its_texts(stm: STM, reviews: Write) -> None:
    texts, _ = reviews(20, 0)
    started = stm.start(texts)
    np.testing.assert_array_equal(dense(started), dense(stm.features(texts)))
    rows = np.array([3, 0, 11])
    np.testing.assert_allclose(dense(started[rows]), dense(stm.features([texts[row] for row in rows])), atol=1e-7)


@pytest.mark.parametrize("texts", [["quixotic zymurgy"], [""], [" \n"], ["!!!"], ["\U0001f600"], []])
def test_takes_any_text(stm: STM, reviews: Write, texts: Sequence[str]) -> None:
    start, labels = reviews(40, 0)
    fit = stm.fit(stm.start(start), labels, n_labels=2)
    features = stm.features(alike(texts, start))
    assert features.shape[0] == len(texts)
    assert np.isfinite(fit.predict_proba(features)).all()


def test_only_the_ratios_of_weights_matter(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    weights = np.random.default_rng(0).uniform(0.1, 1, 60)
    one = stm.fit(features, labels, weights, n_labels=2)
    two = stm.fit(features, labels, 2 * weights, n_labels=2)
    np.testing.assert_allclose(one.predict_proba(features), two.predict_proba(features), atol=1e-6)
    np.testing.assert_allclose(one.epoch_probabilities, two.epoch_probabilities, atol=1e-6)


def test_weight_zero_is_absence(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    kept = np.arange(0, 60, 3)
    weights = np.zeros(60)
    weights[kept] = 0.5
    ignored = stm.fit(features, labels, weights, n_labels=2)
    absent = stm.fit(features[kept], labels[kept], n_labels=2)
    np.testing.assert_allclose(ignored.predict_proba(features), absent.predict_proba(features), atol=1e-5)


def test_more_data_weighs_more_against_the_prior(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(40, 0)
    features = stm.start(texts)
    twice = np.concatenate([np.arange(40), np.arange(40)])
    doubled = stm.fit(features[twice], labels[twice], n_labels=2)
    single = stm.fit(features, labels, np.full(40, 2.0), n_labels=2)
    # Twice the data against the same prior: surer, never the other way round.
    assert doubled.predict_proba(features).max(axis=1).mean() > single.predict_proba(features).max(axis=1).mean()
    agree = doubled.predict_proba(features).argmax(axis=1) == single.predict_proba(features).argmax(axis=1)
    assert agree.mean() > 0.9


def test_a_heavy_sample_wins_over_a_light_one(stm: STM, reviews: Write) -> None:
    texts, _ = reviews(2, 0)
    features = stm.start([texts[0], texts[0], texts[1]])
    labels = np.array([0, 1, 1])
    heavy = stm.fit(features, labels, np.array([9.0, 1.0, 1.0]), n_labels=2).predict_proba(features)
    light = stm.fit(features, labels, np.array([1.0, 9.0, 1.0]), n_labels=2).predict_proba(features)
    assert heavy[0, 0] > 0.5 > light[0, 0]


def test_fits_share_their_start(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    alone = stm.fit(features[np.arange(30)], labels[:30], n_labels=2)
    stm.fit(features[np.arange(30, 60)], labels[30:], n_labels=2)
    again = stm.fit(features[np.arange(30)], labels[:30], n_labels=2)
    np.testing.assert_array_equal(alone.predict_proba(features), again.predict_proba(features))


@pytest.mark.parametrize("label", [0, 2])
def test_one_label_only_is_no_crash(stm: STM, reviews: Write, label: int) -> None:
    texts, _ = reviews(10, 0)
    features = stm.start(texts)
    fit = stm.fit(features, np.full(10, label), n_labels=3)
    assert (fit.predict_proba(features).argmax(axis=1) == label).all()


# The few words of the toy pairs leave tfidf nothing to remember a pair by; test_pairs.py has more.
@pytest.mark.parametrize("reviews", ["texts"], indirect=True)
@pytest.mark.parametrize("stm", ["tfidf", "embedding"], indirect=True)
def test_short_training_remembers_less(stm: STM, reviews: Write) -> None:
    texts, labels = reviews(400, 0)
    wrong = np.flatnonzero(np.random.default_rng(0).random(400) < 0.2)
    labels[wrong] = 1 - labels[wrong]
    features = stm.start(texts)
    short = stm.fit(features, labels, n_labels=2, short=True).predict_proba(features)
    full = stm.fit(features, labels, n_labels=2).predict_proba(features)
    assert short[wrong, labels[wrong]].mean() < full[wrong, labels[wrong]].mean()


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [0.0, 0.0], [1.0]])
def test_senseless_weights_are_refused(stm: STM, reviews: Write, weights: list[float]) -> None:
    texts, labels = reviews(2, 0)
    with pytest.raises(ValueError):
        stm.fit(stm.start(texts), labels, np.array(weights), n_labels=2)


def test_features_need_a_start(stm: STM) -> None:
    with pytest.raises(RuntimeError):
        stm.features(["too early"])
