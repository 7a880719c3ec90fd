from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logit
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from synthgen.downstream.encoder.fit import EncoderFit
from synthgen.downstream.influence import influence
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import STM, Features, IntArray

Write = Callable[[int, int], tuple[list[str], IntArray]]

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
# These two count positions from behind that of the padding: the first one, or the second.
FAMILIES = {
    "bert": BertConfig(**SIZES, max_position_embeddings=16),
    "distilbert": DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=48, max_position_embeddings=16),
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=17, pad_token_id=0),
    "electra": ElectraConfig(**SIZES, embedding_size=16, max_position_embeddings=16),
    "albert": AlbertConfig(**SIZES, embedding_size=16, max_position_embeddings=16),
    "mpnet": MPNetConfig(**SIZES, max_position_embeddings=18, pad_token_id=0),
    "deberta-v2": DebertaV2Config(**SIZES, max_position_embeddings=16),
    "modernbert": ModernBertConfig(**SIZES, max_position_embeddings=16, local_attention=4, pad_token_id=0),
}


@pytest.fixture(params=list(FAMILIES))
def fitted(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_tokenizer: Any, reviews: Write
) -> tuple[STM, EncoderFit, Features]:
    config = FAMILIES[request.param]
    config.vocab_size = len(tiny_tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    stm = make_stm(f"encoder:{tmp_path}", seed=0, options={"lr": 1e-3})
    texts, _ = reviews(24, 0)
    features = stm.start([*texts[:-1], "the plot " * 50])
    fit = stm.fit(features, np.arange(24) % 3, n_labels=3, short=True)
    assert isinstance(fit, EncoderFit)
    return stm, fit, features


def test_every_family_of_encoders_is_differentiated_both_ways(fitted: tuple[STM, EncoderFit, Features]) -> None:
    _, fit, features = fitted
    assert features.shape == (24, 16)
    draw = np.random.default_rng(0)
    slopes = draw.normal(size=(24, 3))
    pulled = fit.pull(features, slopes)
    direction = {
        name: torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) for name, value in pulled.items()
    }
    pushed = fit.push(features, direction)
    # <slopes, J d> and <J' slopes, d> are the same number.
    there = float((slopes * pushed).sum())
    back = sum(float((pulled[name] * value).sum()) for name, value in direction.items())
    np.testing.assert_allclose(there, back, rtol=1e-3)
    assert np.abs(pushed).max() > 0.01


@pytest.fixture
def tiny(tiny_bert: Path, reviews: Write) -> tuple[EncoderFit, Features, IntArray]:
    stm = make_stm(f"encoder:{tiny_bert}", seed=0, options={"lr": 3e-3, "batch": 4, "held_out": 0})
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    fit = stm.fit(features, labels, n_labels=2)
    assert isinstance(fit, EncoderFit)
    return fit, features, labels


def test_push_is_what_a_small_step_does(tiny: tuple[EncoderFit, Features, IntArray]) -> None:
    fit, features, _ = tiny
    network = fit._network
    state = fit._trained.state
    direction = fit.pull(features, np.tile([1.0, -1.0], (60, 1)) / 60)
    step = 1e-2 / max(float(value.abs().max()) for value in direction.values())
    pushed = fit.push(features, direction)

    def logits(sign: float) -> np.ndarray:
        moved = {name: value + sign * step * direction.get(name, torch.zeros(1)) for name, value in state.items()}
        module = network.hold(moved)
        with torch.no_grad():
            return module(**network.padder.batch(features, np.arange(60))).logits.double().numpy()

    np.testing.assert_allclose(
        (logits(1) - logits(-1)) / (2 * step), pushed, rtol=0.03, atol=0.01 * np.abs(pushed).max()
    )
    # And the fit is as before.
    np.testing.assert_allclose(fit.push(features, direction), pushed, rtol=1e-6)


def test_the_order_and_number_of_rows_do_not_matter(tiny: tuple[EncoderFit, Features, IntArray]) -> None:
    fit, features, _ = tiny
    rows = np.random.default_rng(0).permutation(60)
    slopes = np.random.default_rng(1).normal(size=(60, 2))
    whole = fit.pull(features, slopes)
    for name, value in fit.pull(features[rows], slopes[rows]).items():
        torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-5)
    pushed = fit.push(features, whole)
    np.testing.assert_allclose(fit.push(features[rows], whole), pushed[rows], rtol=1e-3, atol=1e-5)
    assert fit.push(features[:0], whole).shape == (0, 2)
    assert not any(value.abs().any() for value in fit.pull(features[:0], slopes[:0]).values())


def test_the_linear_head_agrees_with_the_network(tiny: tuple[EncoderFit, Features, IntArray]) -> None:
    fit, features, _ = tiny
    head, represent = fit.linear()
    rows = represent(features)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(rows).sum(axis=1).mean(), 1, rtol=0.05)
    agree = head.predict_proba(rows).argmax(axis=1) == fit.predict_proba(features).argmax(axis=1)
    assert agree.mean() > 0.9
    gradient = head.loss.value_and_gradient(head.parameters)[1]
    assert np.abs(gradient).max() < 1e-3


def test_influence_finds_the_wrong_labels(tiny_bert: Path, reviews: Write) -> None:
    stm = make_stm(f"encoder:{tiny_bert}", seed=0, options={"lr": 3e-3, "batch": 4, "held_out": 0})
    texts, labels = reviews(100, 0)
    given = labels.copy()
    given[:10] = 1 - given[:10]
    features = stm.start(texts)
    fit = stm.fit(features, given, n_labels=2)
    others, truth = reviews(40, 1)
    scores = influence(fit, (stm.features(others), truth), (features, given))
    assert scores[:10].min() > np.median(scores[10:])
    assert np.isfinite(logit(fit.predict_proba(features))).all()
