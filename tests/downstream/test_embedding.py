import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synthgen.downstream.embedding import EmbeddingSTM
from synthgen.downstream.stm import IntArray
from synthgen.errors import UserError

Write = Callable[[int, int], tuple[list[str], IntArray]]


def test_rows_are_standardised_and_about_unit_length(tiny_encoder: Path, reviews: Write) -> None:
    rows = EmbeddingSTM(str(tiny_encoder)).start(reviews(50, 0)[0])
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-9)
    assert np.mean(np.square(rows).sum(axis=1)) == pytest.approx(1)


def test_no_text_is_encoded_twice(tiny_encoder: Path, reviews: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    encoded: list[str] = []
    encode = SentenceTransformer.encode

    def watch(self: SentenceTransformer, texts: list[str], **options: object) -> object:
        encoded.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(SentenceTransformer, "encode", watch)
    texts, _ = reviews(20, 0)
    stm = EmbeddingSTM(str(tiny_encoder))
    stm.start(texts[:10] + texts[:10])
    stm.start(texts)
    stm.features(texts)
    assert encoded == list(dict.fromkeys(texts))


def test_start_texts_that_do_not_differ(tiny_encoder: Path) -> None:
    stm = EmbeddingSTM(str(tiny_encoder))
    assert not stm.start(["the plot was warm"] * 3).any()


def test_unknown_model_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for model in ("nobody/such-a-model-exists", str(tmp_path), "no such/na me/at all"):
        with pytest.raises(UserError) as raised:
            EmbeddingSTM(model).start(["text"])
        assert model in str(raised.value)
        assert "\n" not in str(raised.value)


def test_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"pip install 'synthgen\[embedding\]'"):
        EmbeddingSTM("any").start(["text"])
