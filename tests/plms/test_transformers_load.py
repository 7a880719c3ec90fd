"""A model that cannot be loaded: one sentence, by what is wrong with it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.load import load
from synthgen.plms.engines.load_errors import explained
from synthgen.plms.resolve import resolve_plm
from synthgen.plms.serving import Serving

CODE = """
import sys
from synthgen.errors import SynthgenError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.load import load

try:
    load(PLM("m", "org/model", "hub", revision=sys.argv[1] if sys.argv[1:] else None), print)
    print("loaded")
except SynthgenError as error:
    print(error.exit_code, error)
"""


def asked(endpoint: str, home: Path, *args: str) -> str:
    """Load org/model in a process of its own, where ``endpoint`` is the Hub, and return what it says."""
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith(("_proxy", "_offline"))}
    env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    env.pop("HF_TOKEN", None)
    command = [sys.executable, "-W", "error", "-c", CODE, *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


@contextmanager
def hub(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "2 There is no model org/model on the Hugging Face Hub"),
        (401, "GatedRepo", "2 org/model is gated: ask for access on its page, https://huggingface.co/org/model, then"),
        (403, "GatedRepo", "2 org/model is gated"),
        (404, "RevisionNotFound", "2 org/model has no revision v9"),
        (404, "EntryNotFound", "2 The PLM org/model could not be loaded ("),
        (401, "", "2 The Hugging Face Hub does not let you see org/model"),
        (418, "", "1 The Hugging Face Hub answers 418 for org/model; try again later."),
    ],
)
def test_what_the_hub_says(tmp_path: Path, status: int, code: str, said: str) -> None:
    def answer(call: BaseHTTPRequestHandler) -> None:
        call.send_response(status)
        if code:
            call.send_header("X-Error-Code", code)
        call.send_header("Content-Length", "0")
        call.end_headers()

    with hub(answer) as endpoint:
        printed = asked(endpoint, tmp_path, "v9")
    assert printed.startswith(said)
    assert len(printed.splitlines()) == 1


def test_a_hub_that_is_down_and_no_copy(tmp_path: Path) -> None:
    said = asked("http://127.0.0.1:1", tmp_path)
    assert said.startswith("2 org/model is not on this machine and the Hugging Face Hub cannot be reached; download")


def test_a_copy_serves_where_the_hub_is_down(tmp_path: Path, tiny_model: Callable[[str], Path]) -> None:
    copy = tmp_path / "hub" / "models--org--model"
    shutil.copytree(tiny_model("llama"), copy / "snapshots" / ("a" * 40))
    (copy / "refs").mkdir()
    (copy / "refs" / "main").write_text("a" * 40)
    assert asked("http://127.0.0.1:1", tmp_path) == "loaded"


@pytest.fixture
def folder(tiny_model: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model("llama"), tmp_path / "model"))


def refused(folder: Path, size: str = "local", **serving: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(PLM("mine", str(folder), size, serving=Serving(**serving)), print)
    said = str(caught.value)
    assert "\n" not in said
    return said


def rewrite(folder: Path, **changed: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))


def test_damaged_folders(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"<html>not found</html>"):
        weights.write_bytes(damaged)
        assert refused(folder).startswith("The model folder of mine could not be loaded (")
    weights.unlink()
    assert refused(folder).startswith("The model folder of mine could not be loaded (")
    weights.write_bytes(whole)
    (folder / "config.json").write_text("{")
    assert refused(folder).startswith("The model folder of mine could not be loaded (")


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    rewrite(folder, num_hidden_layers=3)
    said = refused(folder)
    assert "9 of its weights are missing, model.layers.2." in said


def test_no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert refused(folder).startswith("The model folder of mine could not be loaded (")


def test_code_of_its_own_is_not_run_unasked(folder: Path) -> None:
    classes = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    rewrite(folder, model_type="newfangled", auto_map=classes)
    (folder / "own.py").write_text("raise SystemExit('was run')")
    assert "--set serving.mine.trust_remote_code=true" in refused(folder)
    with pytest.raises(SystemExit, match="was run"):
        load(PLM("mine", str(folder), "local", serving=Serving(trust_remote_code=True)), print)


def test_an_architecture_nobody_knows(folder: Path) -> None:
    rewrite(folder, model_type="newfangled")
    assert "does not know a newfangled" in refused(folder)


def test_a_model_that_writes_nothing(folder: Path) -> None:
    from transformers import ViTConfig

    ViTConfig().save_pretrained(folder)
    assert "or it is no language model" in refused(folder)


def test_the_bundled_models_are_not_the_users_fault(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    assert refused(folder, size="pocket").endswith("install synthgen again.")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError(28, "No space left on device"), SynthgenError, "The disk is full"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), UserError, "Memory was used up while gpt2"),
        (ModuleNotFoundError("No module named 'tiktoken'"), UserError, "for want of a Python package"),
    ],
)
def test_a_cause_is_found_behind_others(error: Exception, kind: type[SynthgenError], said: str) -> None:
    try:
        try:
            raise error
        except Exception as cause:
            raise ValueError("something vague") from cause
    except ValueError as vague:
        found = explained(resolve_plm("gpt2", "pocket"), vague)
    assert type(found) is kind
    assert said in str(found)


def test_quantization_is_for_vllm(folder: Path) -> None:
    told: list[str] = []
    load(PLM("mine", str(folder), "local", serving=Serving(quantization="awq")), told.append)
    assert told == ["mine is run without quantization: serving.mine.quantization is for vLLM."]
