"""Models looked up in folders and on a Hub of the test's own, over real HTTP."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hub_of_our_own import COMMIT, Hub, handler

from synthgen.errors import UserError
from synthgen.plms import lookup
from synthgen.plms.catalog import PLM
from synthgen.plms.lookup import look_up
from synthgen.plms.resolve import resolve_plm
from synthgen.plms.serving import Serving

LLAMA = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096, "dtype": "float16"}


def folder(path: Path, config: object, **weights: int) -> PLM:
    """Write a folder with files of zeros; ``weights`` maps names (``_`` for ``.`` and ``-``) to their sizes."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    for name, size in weights.items():
        with (path / name.replace("__", "-").replace("_dot_", ".")).open("wb") as file:
            file.truncate(size)
    return PLM("mine", str(path), "local")


GIGABYTE = 10**9


def test_memory_is_that_of_16_bit_weights_whatever_is_stored(tmp_path: Path) -> None:
    def memory(stored: str | None, size: int, dtype: str | None = None) -> float:
        key = {} if stored is None else {"torch_dtype" if stored == "bfloat16" else "dtype": stored}
        plm = folder(tmp_path / f"{stored}-{size}", key, model_dot_safetensors=size)
        return look_up(replace(plm, serving=Serving(dtype=dtype))).memory or 0.0

    assert memory("float16", 14 * GIGABYTE) == pytest.approx(14 * 1.15 + 2)
    assert memory("bfloat16", 14 * GIGABYTE) == memory("float16", 14 * GIGABYTE)
    assert memory("float32", 28 * GIGABYTE) == memory("float16", 14 * GIGABYTE)
    assert memory(None, 28 * GIGABYTE) == memory("float32", 28 * GIGABYTE)
    assert memory("float16", 14 * GIGABYTE, "float32") == pytest.approx(2 * memory("float16", 14 * GIGABYTE))
    assert memory("float16", 14 * GIGABYTE, "auto") == memory("float16", 14 * GIGABYTE)
    assert memory("float16", 10**6) < 0.01


def test_of_weights_in_several_formats_one_is_counted(tmp_path: Path) -> None:
    one = {"model__00001__of__00002_dot_safetensors": 3 * GIGABYTE, "model__00002__of__00002_dot_safetensors": GIGABYTE}
    more = {"consolidated_dot_safetensors": 4 * GIGABYTE, "pytorch_model_dot_bin": 4 * GIGABYTE}
    alone = look_up(folder(tmp_path / "one", LLAMA, **one))
    assert look_up(folder(tmp_path / "more", LLAMA, **one, **more)).memory == alone.memory
    old = look_up(folder(tmp_path / "old", LLAMA, pytorch_model_dot_bin=4 * GIGABYTE, training_args_dot_bin=GIGABYTE))
    assert old.memory == alone.memory


def test_what_a_configuration_says(tmp_path: Path) -> None:
    plm = look_up(folder(tmp_path / "llama", LLAMA, model_dot_safetensors=1))
    assert (plm.architecture, plm.context, plm.engine) == ("LlamaForCausalLM", 4096, "auto")
    gemma = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "dtype": "bfloat16",
        "text_config": {
            "max_position_embeddings": 131072,
            "architectures": None,
            "dtype": "float32",
            "is_encoder_decoder": False,
        },
    }
    plm = look_up(folder(tmp_path / "gemma", gemma, model_dot_safetensors=8 * GIGABYTE))
    assert (plm.architecture, plm.context, plm.engine) == ("Gemma3ForConditionalGeneration", 131072, "auto")
    assert plm.memory == pytest.approx(8 * 1.15 + 2)
    t5 = {"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True, "n_positions": 512}
    plm = look_up(folder(tmp_path / "t5", t5, model_dot_safetensors=1))
    assert (plm.engine, plm.context) == ("transformers", None)
    odd = {"architectures": "none", "max_position_embeddings": -1, "n_positions": "many", "text_config": 3, "dtype": []}
    plm = look_up(folder(tmp_path / "odd", odd, model_dot_safetensors=1))
    assert (plm.architecture, plm.context) == (None, None)


def test_what_is_known_already_stays(tmp_path: Path) -> None:
    plm = folder(tmp_path / "llama", LLAMA, model_dot_safetensors=GIGABYTE)
    known = replace(plm, context=100, memory=7.0, architecture="Mine", engine="vllm")
    assert look_up(known) == known


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "holds no model: it has no config.json"),
        ("{", "config.json of mine cannot be read"),
        ("[]", "is not a model's configuration"),
        ("{}", "not whole: it has a config.json, but no weights"),
    ],
)
def test_a_folder_that_is_no_model(tmp_path: Path, config: str | None, said: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match=said):
        look_up(PLM("mine", str(tmp_path), "local"))
    (tmp_path / "config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        look_up(PLM("mine", str(tmp_path), "local"))


def test_a_bundled_model_gets_its_hash_as_revision() -> None:
    plm = look_up(resolve_plm("gpt2", "pocket"))
    assert len(plm.revision or "") == 12


@pytest.fixture
def point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the client library take a port of this machine for the Hub, with an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def to(port: int) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        template = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    return to


@pytest.fixture
def hub(point: Callable[[int], None]) -> Iterator[Hub]:
    made = Hub()
    made.files = {"config.json": json.dumps(LLAMA).encode()}
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(made)) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        point(server.server_port)
        yield made
        server.shutdown()
        thread.join()


MODEL = PLM("mine", "org/model", "hub")


def test_a_model_of_the_hub_is_known_without_its_weights(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.sizes = {"model.safetensors": 14 * GIGABYTE, "onnx/model.safetensors": GIGABYTE, "pytorch_model.bin": GIGABYTE}
    plm = look_up(MODEL)
    assert (plm.context, plm.architecture) == (4096, "LlamaForCausalLM")
    assert plm.memory == pytest.approx(14 * 1.15 + 2)
    assert plm.revision == COMMIT
    assert not any(".safetensors" in path for path in hub.asked)
    assert capfd.readouterr() == ("", "")


def test_a_size_that_the_hub_does_not_say_is_unknown(hub: Hub) -> None:
    hub.sizes = {"README.md": 10}
    assert look_up(MODEL).memory is None


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "GatedRepo", r"org/model is gated: ask for access on its Hub page, then `hf auth login`"),
        (403, "GatedRepo", r"org/model is gated"),
        (401, None, r"The Hub refuses org/model \(it answers 401\); check your token with `hf auth whoami`"),
        (401, "RepoNotFound", r"There is no model org/model on the Hub, or it is private; check the name, or `hf auth"),
        (404, "RepoNotFound", r"There is no model org/model"),
        (403, None, r"The Hub refuses org/model .*; check your token with `hf auth whoami`"),
        (500, None, r"The Hub cannot be reached and org/model was never downloaded here .*; check the network"),
        (429, None, r"The Hub cannot be reached and org/model"),
    ],
)
def test_a_refusal_is_one_sentence_and_one_question(hub: Hub, status: int, code: str | None, said: str) -> None:
    hub.status, hub.code = status, code
    with pytest.raises(UserError, match=said) as error:
        look_up(MODEL)
    assert "\n" not in str(error.value)
    assert len(hub.asked) == 1


def test_what_the_hub_has_otherwise(hub: Hub) -> None:
    with pytest.raises(UserError, match=r"The Hub has org/model, but no revision 'v9' of it"):
        look_up(replace(MODEL, revision="v9"))
    del hub.files["config.json"]
    with pytest.raises(UserError, match=r"org/model is no model that can be loaded: it has no config.json"):
        look_up(MODEL)
    hub.files["config.json"] = b"<html>"
    with pytest.raises(UserError, match=r"config.json of mine cannot be read"):
        look_up(MODEL)
    hub.page = b"<html>please log in to the hotel's network</html>"
    shutil.rmtree(Path(lookup_cache()))
    with pytest.raises(UserError, match=r"The Hub cannot be reached and org/model was never downloaded here"):
        look_up(MODEL)


def lookup_cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def test_an_id_that_cannot_be_one_is_not_asked_for(hub: Hub) -> None:
    with pytest.raises(UserError, match=r"'org/mo del' cannot be a model of the Hub .*; check the name"):
        look_up(replace(MODEL, model="org/mo del"))
    assert hub.asked == []


@pytest.mark.parametrize("how", ["offline", "down", "refused"])
def test_what_was_downloaded_before_serves_without_the_hub(
    hub: Hub, point: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from huggingface_hub import constants

    hub.sizes = {"model.safetensors": 14 * GIGABYTE}
    before = look_up(MODEL)
    weights = Path(lookup_cache()) / "models--org--model" / "snapshots" / COMMIT / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(14 * GIGABYTE)
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "down":
        point(unused_port())
    else:
        hub.status = 500
    hub.asked.clear()
    assert look_up(MODEL) == before
    assert len(hub.asked) == (how == "refused")


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


def test_offline_without_the_model(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"never downloaded here, and HF_HUB_OFFLINE is set; .*\(--profile pocket\)\.$"):
        look_up(MODEL)
    assert hub.asked == []


def test_a_hub_that_hangs_is_given_up(point: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        point(silent.getsockname()[1])
        with pytest.raises(UserError, match="cannot be reached and org/model was never downloaded here"):
            look_up(MODEL)
        silent.settimeout(0)
        questions = 0
        while True:
            try:
                silent.accept()[0].close()
            except BlockingIOError:
                break
            questions += 1
    assert questions == 1
