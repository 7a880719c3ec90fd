"""STMs that are trained in a cluster, and texts that are embedded there, are those of this process, to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import STM, IntArray
from synthgen.embedders import sentence
from synthgen.embedders.sentence import SentenceEmbedder

Write = Callable[[int, int], tuple[list[str], IntArray]]
PARTS = [np.arange(0, 30), np.arange(20, 60), np.arange(0, 60, 3)]


@pytest.fixture(params=["tfidf", "embedding", "encoder"])
def stm(request: pytest.FixtureRequest) -> STM:
    if request.param == "tfidf":
        return make_stm("tfidf", seed=7)
    folder: Path = request.getfixturevalue("tiny_encoder" if request.param == "embedding" else "tiny_bert")
    return make_stm(f"{request.param}:{folder}", seed=7, options={"epochs": 2} if request.param == "encoder" else {})


def trained(stm: STM, reviews: Write) -> list[tuple[Any, Any]]:
    """Return what three fits predict, and what they saw."""
    texts, labels = reviews(60, 0)
    features = stm.start(texts)
    each = stm.fit_each([(features[rows], labels[rows]) for rows in PARTS], n_labels=2)
    return [(fit.predict_proba(features), fit.epoch_probabilities) for fit in each]


def test_fits_are_those_made_here(
    stm: STM, reviews: Write, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = trained(stm, reviews)
    request.getfixturevalue("ray_cluster")
    for name in ("encoder.stm.train", "head._descend", "head.watch_epochs"):
        monkeypatch.setattr(f"synthgen.downstream.{name}", _nowhere)
    for one, other in zip(here, trained(stm, reviews), strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def _nowhere(*given: Any) -> Any:
    raise AssertionError("this was to be computed elsewhere")


def test_embeddings_are_those_made_here(
    tiny_encoder: Path, reviews: Write, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence, "_TOGETHER", 16)
    texts = reviews(60, 0)[0]
    there = SentenceEmbedder(str(tiny_encoder)).encode(texts)
    with monkeypatch.context() as alone:
        alone.setattr("synthgen.plms.engines.ray.cluster._users", 0)
        np.testing.assert_array_equal(SentenceEmbedder(str(tiny_encoder)).encode(texts), there)


def test_private_texts_are_embedded_here(
    tiny_encoder: Path, reviews: Write, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence, "_TOGETHER", 16)
    monkeypatch.setattr(sentence, "spread", _nowhere)
    texts = reviews(60, 0)[0]
    assert len(SentenceEmbedder(str(tiny_encoder)).encode(texts, alone=True)) == 60
    with pytest.raises(AssertionError, match="elsewhere"):
        SentenceEmbedder(str(tiny_encoder)).encode(texts)
