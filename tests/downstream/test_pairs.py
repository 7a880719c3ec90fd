import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from synthgen.downstream.bilevel import Bilevel, learn_weights
from synthgen.downstream.dynamics import training_dynamics
from synthgen.downstream.encoder import together
from synthgen.downstream.encoder.lesson import Lesson
from synthgen.downstream.encoder.stm import EncoderSTM
from synthgen.downstream.influence import influence
from synthgen.downstream.pairs import pair_terms
from synthgen.downstream.registry import make_stm
from synthgen.downstream.rows import matrix
from synthgen.downstream.stm import STM, Features, IntArray
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.downstream.weights import adjust_weights
from synthgen.text import Pair

Write = Callable[[int, int], tuple[list[str], IntArray]]
Pairs = tuple[list[Pair], IntArray]
EAGER = {"epochs": 8, "lr": 3e-3, "batch": 8, "patience": 8}
SIDES = st.text(alphabet="ab 7?.A\n", max_size=12)
PAIRS = st.builds(Pair, SIDES, SIDES)


@pytest.fixture(scope="session")
def bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with a tokenizer that puts a separator between sentences, and without dropout."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoConfig, AutoTokenizer

    folder = tmp_path_factory.mktemp("pairs") / "bert"
    shutil.copytree(tiny_bert, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    special, pair = [("[CLS]", 2), ("[SEP]", 3)], "[CLS] $A [SEP] $B:1 [SEP]:1"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", pair, special)
    tokenizer.save_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config.save_pretrained(folder)
    return folder


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Callable[[str], STM]:
    def made(kind: str) -> STM:
        if kind == "tfidf":
            return make_stm(kind, seed=7)
        folder = request.getfixturevalue("tiny_encoder" if kind == "embedding" else "bert")
        return make_stm(f"{kind}:{folder}", seed=7, options=EAGER if kind == "encoder" else {})

    return made


every = pytest.mark.parametrize("kind", ["tfidf", "embedding", "encoder"])


@pytest.fixture
def turned(reviews: Write) -> Callable[[int, int], Pairs]:
    """Return n pairs of a good and a bad review, in this order (label 1) or the other."""

    def write(n: int, seed: int) -> Pairs:
        texts, _ = reviews(2 * n, seed)
        labels = np.arange(n) % 2
        both = zip(texts[::2], texts[1::2], labels, strict=True)
        return [Pair(good, bad) if label else Pair(bad, good) for bad, good, label in both], labels

    return write


def dense(features: Features) -> np.ndarray:
    return features if isinstance(features, np.ndarray) else matrix(features).toarray()


def accuracy(stm: STM, train: tuple[Sequence[str], IntArray], test: tuple[Sequence[str], IntArray]) -> float:
    fit = stm.fit(stm.start(train[0]), train[1], n_labels=2)
    return float((fit.predict_proba(stm.features(test[0])).argmax(axis=1) == test[1]).mean())


@every
def test_sides_are_told_apart(kind: str, make: Callable[[str], STM], turned: Callable[[int, int], Pairs]) -> None:
    assert accuracy(make(kind), turned(200, 0), turned(60, 1)) > 0.95


@every
def test_whatever_methods_ask_of_an_stm(
    kind: str, make: Callable[[str], STM], turned: Callable[[int, int], Pairs]
) -> None:
    stm, (pairs, truth) = make(kind), turned(60, 0)
    labels = truth.copy()
    labels[:6] = 1 - labels[:6]
    features = stm.start(pairs)
    fit = stm.fit(features, labels, n_labels=2)
    others, answers = turned(40, 1)
    scores = influence(fit, (stm.features(others), answers), (features, labels))
    assert np.median(scores[:6]) > 0 > np.median(scores[6:])
    confidence = training_dynamics(fit.epoch_probabilities, labels).confidence
    assert confidence[:6].mean() < confidence[6:].mean()
    adjusted = adjust_weights(stm.fit, features, labels, n_labels=2, updates=3)
    assert adjusted.mean() == pytest.approx(0.5)
    learnt = learn_weights(stm.fit, features, labels, n_labels=2, seed=0, settings=Bilevel(iterations=2)).weights
    assert np.isfinite(learnt).all()
    assert len(set(learnt)) > 1


@every
def test_a_pair_is_not_the_text_it_joins_to(
    kind: str, make: Callable[[str], STM], reviews: Write, turned: Callable[[int, int], Pairs]
) -> None:
    used, pairs = make(kind), turned(20, 0)[0]
    asked = [Pair("the plot was warm", "the cast"), Pair("the plot was", "warm\nthe cast was dull")]
    same = [Pair("the plot was\nwarm", "the cast was dull"), Pair("the plot was warm\nthe", "cast")]
    used.start([*map(str, asked), *map(str, same), *reviews(20, 0)[0]])
    used.start([*pairs, *same])
    fresh = make(kind)
    np.testing.assert_allclose(dense(used.start([*pairs, *asked])), dense(fresh.start([*pairs, *asked])), atol=1e-5)
    first, second = (dense(used.features([one])) for one in (asked[1], same[0]))
    assert np.abs(first - second).max() > 1e-3
    texts = [*reviews(20, 0)[0], *map(str, asked)]
    # The one has read these first as texts, the other as pairs.
    np.testing.assert_allclose(dense(used.start(texts)), dense(fresh.start(texts)), atol=1e-5)


def test_single_texts_among_pairs_are_refused(make: Callable[[str], STM], turned: Callable[[int, int], Pairs]) -> None:
    pairs, _ = turned(4, 0)
    for kind in ("embedding", "encoder"):
        with pytest.raises(ValueError, match="all texts are pairs"):
            make(kind).start([*pairs, "the plot was warm"])
    stm = make("embedding")
    stm.start(pairs)
    with pytest.raises(ValueError, match="need a start on pairs"):
        stm.features(["the plot was warm"])


@given(st.lists(PAIRS, min_size=1, max_size=12), st.data())
def test_rows_of_pairs_follow_their_pairs(pairs: list[Pair], data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=20)))
    stm = TfidfSTM()
    started = stm.start(pairs)
    picked = stm.features([pairs[row] for row in rows])
    np.testing.assert_array_equal(dense(started[rows]), dense(picked))
    np.testing.assert_allclose(np.square(dense(started)).sum(axis=1), 1, rtol=1e-6)
    turned_round = TfidfSTM().start(pairs[::-1])
    np.testing.assert_array_equal(dense(turned_round)[::-1], dense(started))


@given(PAIRS)
def test_every_pair_has_its_relations(pair: Pair) -> None:
    kinds = [term.partition(":")[0] for term in pair_terms(pair)]
    for kind in ("found", "known", "both", "new", "negation", "numbers"):
        assert kinds.count(kind) == 1
    assert (any("?" in kind for kind in kinds)) is pair.text.rstrip().endswith("?")


@pytest.mark.parametrize(
    ("pair", "terms"),
    [
        (Pair("A man is sleeping.", "Nobody sleeps."), {"negation:01", "added:nobody", "second:sleeps", "both:1"}),
        (Pair("He didn't go.", "He went."), {"negation:10", "added:went", "first:he", "both:0", "new:1"}),
        (Pair("It cost 300 in 1994.", "It cost 400 in 1994"), {"numbers:1111", "known:4"}),
        (Pair("Two dogs run.", "Dogs are running"), {"numbers:0000", "found:4", "known:2"}),
        (
            Pair("When was Rome built?", "Rome was built in 753"),
            {"when? number:1", "when was? name:0", "when? found:3"},
        ),
        (Pair("Who wrote Emma?", "It is by Jane Austen."), {"who? name:1", "who wrote? number:0", "who? found:0"}),
        (Pair("", ""), {"found:0", "known:0", "both:0", "new:0", "negation:00", "numbers:0000"}),
    ],
)
def test_relations(pair: Pair, terms: set[str]) -> None:
    assert terms <= set(pair_terms(pair))


def related(n: int, seed: int, first_word: int) -> Pairs:
    """Return n pairs of made-up words, counted from ``first_word``; of label 1 the second repeats the first."""
    draw, labels, pairs = np.random.default_rng(seed), np.arange(n) % 2, []
    for label in labels:
        numbers = draw.choice(200, 8, replace=False) + first_word
        words = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}word" for number in numbers]
        pairs.append(Pair(" ".join(words[:4]), " ".join(words[1:4] if label else words[4:7])))
    return pairs, labels


def test_a_relation_holds_for_words_nobody_met() -> None:
    train, test = related(200, 0, 0), related(60, 1, 300)
    assert accuracy(TfidfSTM(), train, test) > 0.95
    joined = [([str(pair) for pair in pairs], labels) for pairs, labels in (train, test)]
    assert accuracy(TfidfSTM(), joined[0], joined[1]) < 0.7


def test_short_training_on_pairs_remembers_less() -> None:
    pairs, labels = related(400, 0, 0)
    wrong = np.flatnonzero(np.random.default_rng(0).random(400) < 0.2)
    labels[wrong] = 1 - labels[wrong]
    stm = TfidfSTM()
    features = stm.start(pairs)
    short, full = (stm.fit(features, labels, n_labels=2, short=few).predict_proba(features) for few in (True, False))
    assert short[wrong, labels[wrong]].mean() < full[wrong, labels[wrong]].mean()


def test_single_texts_have_the_features_they_always_had() -> None:
    texts = ["the plot was warm", "the cast was dull, the plot was not", "the plot 42 was warm"]
    rows = matrix(TfidfSTM().start(texts))
    assert rows.shape == (3, 7)
    # Taken before there were pairs.
    np.testing.assert_array_equal(rows.indices, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 6, 1, 2, 3, 4, 5, 6])
    first = [0.4298397, 0.3338089, 0.3338089, 0.3338089, 0.4298397, 0.4298397, 0.3338089]
    second = [0.4201829, 0.55249, 0.55249, 0.3263095, 0.3263095]
    third = [0.3697053, 0.3697053, 0.3697053, 0.4760629, 0.4760629, 0.3697053]
    np.testing.assert_allclose(rows.data, [*first, *second, *third], atol=1e-6)


def test_encoders_read_both_sentences_as_their_tokenizer_does(bert: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert)
    stm = EncoderSTM(str(bert), seed=0, options=EncoderSTM.Options(max_length=16))
    firsts = ["the plot was warm", "the plot " * 20, "warm", "", "warm"]
    seconds = ["the cast was dull", "the cast", "dull and " * 20, "warm", ""]
    features = stm.start([*map(Pair, firsts, seconds)])
    rows = np.array([4, 1, 0, 3, 2])
    batch = stm._network.padder.batch(features, rows)
    sides = [[side[row] for row in rows] for side in (firsts, seconds)]
    wanted = tokenizer(
        *sides, truncation=True, max_length=16, padding=True, return_token_type_ids=True, return_tensors="pt"
    )
    assert set(batch) == set(wanted) == {"input_ids", "attention_mask", "token_type_ids"}
    for name, tensor in wanted.items():
        assert torch.equal(batch[name].cpu(), tensor)
    # The longer one was cut: the other stands there whole.
    assert tokenizer.decode(features[1, :].data[-3:] % (1 << 24) - 1) == "the cast [SEP]"


def test_single_texts_reach_an_encoder_as_they_always_did(bert: Path) -> None:
    from transformers import AutoTokenizer

    stm = EncoderSTM(str(bert), seed=0)
    texts = ["the plot was warm", "dull"]
    features = stm.start(texts)
    ids = AutoTokenizer.from_pretrained(bert)(texts)["input_ids"]
    np.testing.assert_array_equal(features.data, np.concatenate(ids) + 1)
    assert set(stm._network.padder.batch(features, np.arange(2))) == {"input_ids", "attention_mask"}


def test_derivatives_know_the_sides(bert: Path, turned: Callable[[int, int], Pairs]) -> None:
    stm = EncoderSTM(str(bert), seed=0, options=EncoderSTM.Options(**{**EAGER, "held_out": 0}))
    pairs, labels = turned(24, 0)
    features = stm.start(pairs)
    fit = stm.fit(features, labels, n_labels=2)
    slopes = np.random.default_rng(0).normal(size=(24, 2))
    pulled = fit.pull(features, slopes)
    draw = torch.Generator().manual_seed(1)
    direction = {name: torch.randn(value.shape, generator=draw) for name, value in pulled.items()}
    there = float((slopes * fit.push(features, direction)).sum())
    np.testing.assert_allclose(there, sum(float((pulled[name] * one).sum()) for name, one in direction.items()), 1e-3)
    (types,) = (value for name, value in pulled.items() if "token_type" in name)
    assert (types.abs().amax(dim=1) > 0).all()


def test_processes_that_share_a_training_are_given_the_sides(
    bert: Path, turned: Callable[[int, int], Pairs], tmp_path: Path
) -> None:
    stm, (pairs, labels) = EncoderSTM(str(bert), seed=3), turned(20, 0)
    features = stm.start(pairs)
    options = EncoderSTM.Options(epochs=1)
    together._write(tmp_path, stm._network, Lesson(features, labels, np.ones(20), options, 3, True))
    network, lesson = together.read_job(tmp_path)
    rows = np.arange(20)
    there = network.padder.batch(lesson.features, rows)["token_type_ids"]
    assert torch.equal(there, stm._network.padder.batch(features, rows)["token_type_ids"])
    np.testing.assert_array_equal(lesson.features.data, features.data)
    one, two = (one.probabilities(lesson.features, one.start) for one in (network, stm._network))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_an_encoder_that_knows_no_sides_is_given_none(
    tmp_path: Path, bert: Path, turned: Callable[[int, int], Pairs]
) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer, DistilBertConfig

    tokenizer: Any = AutoTokenizer.from_pretrained(bert)
    tokenizer.save_pretrained(tmp_path)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=1, n_heads=2, hidden_dim=48)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    stm = EncoderSTM(str(tmp_path), seed=0, options=EncoderSTM.Options(epochs=1))
    pairs, labels = turned(12, 0)
    features = stm.start(pairs)
    assert isinstance(features, csr_matrix)
    ids = tokenizer([pair.text for pair in pairs], [pair.text_pair for pair in pairs])["input_ids"]
    np.testing.assert_array_equal(features.data, np.concatenate(ids) + 1)
    assert stm.fit(features, labels, n_labels=2).predict_proba(features).shape == (12, 2)
