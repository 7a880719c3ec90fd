"""What every engine promises."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.scripted import ScriptedEngine
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed

KINDS = ["scripted", "llama", "gpt2", "opt", "glm", "t5"]
PROMPTS = ['A review reads: "', 'a much longer prompt, with two films and more than that, reads: "', 'x: "']


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tiny_model: Callable[[str], Path]) -> Iterator[Engine]:
    if request.param == "scripted":
        opened: Engine = ScriptedEngine(batch_size=8)
    else:
        opened = open_engine(PLM("tiny", str(tiny_model(request.param)), "local"))
    yield opened
    opened.close()


def requests(count: int = 20, tokens: int = 12) -> list[Request]:
    return [
        Request(f"r{n:03d}", "tiny", 0, "positive", PROMPTS[n % 3], derive_seed("t", n), Sampling(max_tokens=tokens))
        for n in range(count)
    ]


def test_one_completion_a_request(engine: Engine) -> None:
    asked = requests()
    answers = list(engine.generate(asked))
    assert sorted(answer.request for answer in answers) == [request.id for request in asked]
    for answer in answers:
        assert answer.finish in {"stop", "length"}
        assert '"' not in answer.text
        assert answer.prompt_tokens > 0
        assert answer.completion_tokens >= (1 if answer.text else 0)
        assert 0 <= answer.cached_tokens < answer.prompt_tokens


def test_the_same_requests_get_the_same_answers(engine: Engine) -> None:
    assert list(engine.generate(requests())) == list(engine.generate(requests()))


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
