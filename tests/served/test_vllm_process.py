"""A real vLLM as a child of this process, serving a pocket model on the CPU."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from synthgen.errors import SynthgenError
from synthgen.plms.engines.vllm.child import Child
from synthgen.plms.engines.vllm.find import vllm_python
from synthgen.plms.engines.vllm.flags import Slot, command, environment
from synthgen.plms.resolve import resolve_plms

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
READY = 300


@pytest.fixture(scope="session")
def python() -> str:
    found = vllm_python()
    if found is None:
        pytest.skip("no interpreter with vLLM; set SYNTHGEN_VLLM_PYTHON")
    return found


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child()
    try:
        yield made
    finally:
        made.stop()


def launch(child: Child, python: str, family: str, log: Path, **flags: object) -> int:
    [plm] = resolve_plms([family], "pocket", serving={family: {"flags": flags}})
    return child.launch(
        lambda port: command(plm, python=python, port=port, slot=Slot()),
        environment(plm, Slot(), os.environ),
        log,
        timeout=READY,
    )


def complete(port: int, model: str) -> dict:
    asked = {"model": model, "prompt": 'The movie review in positive sentiment is: "', "max_tokens": 12, "seed": 1}
    answer = httpx2.post(f"http://127.0.0.1:{port}/v1/completions", json=asked, timeout=120, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_vllm_is_started_answers_and_is_gone(python: str, child: Child, tmp_path: Path) -> None:
    port = launch(child, python, "llama2", tmp_path / "llama2.log")
    answer, again = complete(port, "llama2"), complete(port, "llama2")
    assert answer["model"] == "llama2"
    assert answer["usage"]["completion_tokens"] == 12
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert answer["choices"][0]["text"] == again["choices"][0]["text"]
    assert child.pid is not None
    family = psutil.Process(child.pid).children(recursive=True)
    assert family  # the engine, a process of its own
    child.stop()
    assert not [each for each in family if each.is_running()]


def test_what_vllm_said_is_told_in_one_sentence(python: str, child: Child, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match=r"User-specified max_model_len \(4096\) is greater than .*=1024"):
        launch(child, python, "gpt2", tmp_path / "gpt2.log", max_model_len=4096)
