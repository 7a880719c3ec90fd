import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from synthgen.downstream.rows import matrix
from synthgen.downstream.stm import IntArray
from synthgen.downstream.tfidf import TfidfSTM

Read = Callable[[str, int], tuple[list[str], IntArray]]
PLMS = ["gpt2-xl", "llama-2-7b-chat-hf", "vicuna-7b-1.5v", "opt-6.7b", "flan-t5-xl", "chatglm3-6b-base"]


def test_features_are_those_of_scikit_learn(recorded: Read) -> None:
    texts, _ = recorded("opt-6.7b", 300)
    start, other = texts[::2], texts[1::2]
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    stm = TfidfSTM()
    # Columns come in another order: inner products do not mind.
    one, two = theirs.fit_transform(start), matrix(stm.start(start))
    assert one.shape == two.shape
    np.testing.assert_allclose((one @ one.T).toarray(), (two @ two.T).toarray(), atol=1e-6)
    one, two = one @ theirs.transform(other).T, two @ matrix(stm.features(other)).T
    np.testing.assert_allclose(one.toarray(), two.toarray(), atol=1e-6)


def test_word_pairs_have_an_order() -> None:
    stm = TfidfSTM()
    rows = matrix(stm.start(["not good", "not good", "good not"]))
    products = (rows @ rows.T).toarray()
    assert products[0, 1] == pytest.approx(1)
    assert products[0, 2] < 0.9


def test_terms_of_one_text_count_where_none_repeats() -> None:
    assert TfidfSTM().start(["alpha", "beta"]).shape == (2, 2)


def test_start_texts_without_any_word() -> None:
    stm = TfidfSTM()
    features = stm.start(["!", "?"])
    assert features.shape == (2, 0)
    chances = stm.fit(features, np.array([0, 1]), n_labels=2).predict_proba(stm.features(["some words"]))
    np.testing.assert_allclose(chances, 0.5, atol=1e-6)


def test_lone_surrogates_are_text_too() -> None:
    assert TfidfSTM().start(["a\ud800b word", "word"]).shape == (2, 1)


@pytest.mark.slow
def test_recorded_pools_train_a_classifier_of_real_reviews(recorded: Read, shared_data: Path) -> None:
    pools = [recorded(plm, 1000) for plm in PLMS]
    texts = [text for pool, _ in pools for text in pool]
    labels = np.concatenate([ids for _, ids in pools])
    with gzip.open(shared_data / "imdb.test.jsonl.gz", "rt", encoding="utf-8") as file:
        gold = [json.loads(line) for line in file][::5]
    stm = TfidfSTM()
    fit = stm.fit(stm.start(texts), labels, n_labels=2)
    guessed = fit.predict_proba(stm.features([row["text"] for row in gold])).argmax(axis=1)
    accuracy = float((guessed == np.array([row["label"] for row in gold])).mean())
    assert accuracy > 0.82
