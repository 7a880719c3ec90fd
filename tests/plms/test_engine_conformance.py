"""What every engine promises."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.scripted import ScriptedEngine
from synthgen.plms.engines.vllm.find import vllm_python
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed
from synthgen.testing import ScriptedServer

SERVERS: dict[str, dict[str, Any]] = {
    "server": {},
    "server-chat": {"chat": True},
    "server-n": {"choices": 4},
    "server-two": {},
}
KINDS = ["scripted", "llama", "gpt2", "opt", "glm", "t5", *SERVERS, pytest.param("vllm", marks=pytest.mark.vllm)]
PROMPTS = ['A review reads: "', 'a much longer prompt, with two films and more than that, reads: "', 'x: "']
ON_A_CLUSTER = ["ray:scripted", "ray:transformers"]


@pytest.fixture(scope="module", params=[*KINDS, *ON_A_CLUSTER])
def engine(
    request: pytest.FixtureRequest, tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    with ExitStack() as stack:
        if request.param == "scripted":
            opened: Engine = ScriptedEngine(batch_size=8)
        elif request.param in SERVERS:
            count = 2 if request.param == "server-two" else 1
            urls = tuple(stack.enter_context(ScriptedServer(models=["tiny"])).url for _ in range(count))
            opened = open_engine(PLM("tiny", "tiny", "endpoint", urls=urls, **SERVERS[request.param]), "server")
        elif request.param.startswith("ray:"):
            request.getfixturevalue("ray_cluster")
            plm = PLM("tiny", str(tiny_model("llama")), "local")
            opened = open_engine(plm, request.param, slot=Slot(), log=Path(), tell=lambda seconds: None)
        elif request.param == "vllm":
            opened = _served(tmp_path_factory.mktemp("vllm") / "tiny.log")
        else:
            opened = open_engine(PLM("tiny", str(tiny_model(request.param)), "local"))
        yield opened
        opened.close()


def _served(log: Path) -> Engine:
    """Return a real vLLM with the bundled Llama; `make test-vllm` has one."""
    if vllm_python() is None:
        pytest.skip("no vLLM here; make test-vllm installs one")
    plm = resolve_plm("tiny=llama2", "pocket")
    return open_engine(plm, "vllm", slot=Slot(), log=log, tell=lambda seconds: None)


def requests(count: int = 20, tokens: int = 12) -> list[Request]:
    return [
        Request(f"r{n:03d}", "tiny", 0, "positive", PROMPTS[n % 3], derive_seed("t", n), Sampling(max_tokens=tokens))
        for n in range(count)
    ]


def test_one_completion_a_request(engine: Engine, request: pytest.FixtureRequest) -> None:
    asked = requests()
    answers = list(engine.generate(asked))
    assert sorted(answer.request for answer in answers) == [request.id for request in asked]
    for answer in answers:
        assert answer.finish in {"stop", "length"}
        # A chat model may quote; nothing tells it where to stop.
        assert '"' not in answer.text or "chat" in request.node.callspec.id
        assert answer.prompt_tokens > 0
        assert answer.completion_tokens >= (1 if answer.text else 0)
        assert 0 <= answer.cached_tokens <= answer.prompt_tokens


def test_the_same_requests_get_the_same_answers(engine: Engine, request: pytest.FixtureRequest) -> None:
    # A server answers in any order, and may have more of a prompt in its cache the second time.
    kind = request.node.callspec.id
    counted_anew = {"cached_tokens": 0} if "server" in kind or kind == "vllm" else {}
    first, second = [
        sorted((replace(answer, **counted_anew) for answer in engine.generate(requests())), key=lambda one: one.request)
        for _ in range(2)
    ]
    assert first == second


def test_seeds_make_the_difference(engine: Engine) -> None:
    same_prompt = [request for request in requests(30) if request.prompt == PROMPTS[0]]
    assert len({answer.text for answer in engine.generate(same_prompt)}) > len(same_prompt) // 2


def test_no_requests_no_answers(engine: Engine) -> None:
    assert engine.batches([]) == []
    assert list(engine.generate([])) == []


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 150), gone=st.sets(st.integers(0, 20)))
def test_batches_survive_the_loss_of_whole_batches(engine: Engine, count: int, gone: set[int]) -> None:
    asked = requests(count)
    batches = engine.batches(asked)
    assert sorted(request.id for batch in batches for request in batch) == [request.id for request in asked]
    left = [batch for place, batch in enumerate(batches) if place not in gone]
    assert engine.batches([request for batch in left for request in batch]) == left
