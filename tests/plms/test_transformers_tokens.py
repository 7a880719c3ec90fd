"""Which tokens a row writes, which one ends it, and how many are counted."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.sampling import EndOnStop
from synthgen.plms.engines.transformers import TransformersEngine, open_transformers
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Completion, Request, Sampling
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

PROMPTS = ["x: ", "a longer prompt that needs no padding: "]


def ask(count: int, prompts: list[str] = PROMPTS, tokens: int = 30, **sampling: float) -> list[Request]:
    how = Sampling(max_tokens=tokens, **sampling)  # type: ignore[arg-type]
    return [Request(f"r{n:02d}", "p", 0, "a", prompts[n % len(prompts)], derive_seed(n), how) for n in range(count)]


def together(engine: TransformersEngine, asked: list[Request]) -> dict[str, Completion]:
    return {answer.request: answer for answer in engine.generate(asked)}


@pytest.mark.parametrize("name", ["gpt2", "llama2", "opt", "chatglm3", "flan-t5"])
def test_filling_is_not_counted(name: str) -> None:
    """Alone, a row is not filled up; beside a longer one it is."""
    engine = open_transformers(resolve_plm(name, "pocket"))
    asked = ask(12, [load_task("imdb").zero_shot("positive")], tokens=60)
    answers = together(engine, asked)
    assert {answer.finish for answer in answers.values()} >= {"stop"}
    for request in asked:
        alone = together(engine, [request])[request.id]
        beside = answers[request.id]
        assert (beside.text, beside.finish) == (alone.text, alone.finish)
        assert beside.completion_tokens == alone.completion_tokens


def test_a_text_that_ends_on_its_quote_has_one_token_more_than_its_words() -> None:
    plm = resolve_plm("gpt2", "pocket")
    engine, tokenizer = open_transformers(plm), AutoTokenizer.from_pretrained(plm.location)
    cold = ask(8, [load_task("imdb").zero_shot("negative")], tokens=80, temperature=0.01)
    answer = next(iter(together(engine, cold).values()))
    assert answer.finish == "stop"
    assert answer.completion_tokens == len(tokenizer(answer.text + '"')["input_ids"])


@given(
    tokens=st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=5),
    limits=st.lists(st.integers(8, 14), min_size=5, max_size=5),
    before=st.integers(0, 8),
)
def test_what_a_row_wrote(tokens: list[list[int]], limits: list[int], before: int) -> None:
    limits = [max(limit, before + 1) for limit in limits]
    closing = torch.tensor([False, False, True, False, False, True])
    ends = EndOnStop({"": closing}, [Sampling(max_tokens=limit, stop="") for limit in limits[: len(tokens)]], start=0)
    used, ended = ends.written(torch.tensor(tokens), before)
    for row, limit, count, end in zip(tokens, limits, used.tolist(), ended.tolist(), strict=False):
        wrote = 0
        for token in row:
            if before + wrote == limit:
                break
            wrote += 1
            if token in {2, 5}:
                break
        assert count == wrote
        assert end == (row[wrote - 1] in {2, 5})


@pytest.fixture
def odd_model(tiny_model: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """Save a llama whose tokenizer, embeddings or end tokens are not as they should be."""

    def save(
        *, special: bool = True, pad: str | None = None, ends: Any = None, more_rows: int = 0, template: str = ""
    ) -> Path:
        model = AutoModelForCausalLM.from_pretrained(tiny_model("llama"))
        tokenizer = AutoTokenizer.from_pretrained(tiny_model("llama"))
        if not special:
            tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
        if pad:
            tokenizer.add_special_tokens({"pad_token": pad})
        if template:
            tokenizer.chat_template = template
        if more_rows:
            model.resize_token_embeddings(len(tokenizer) + more_rows, mean_resizing=False)
        for config in (model.config, model.generation_config):
            config.eos_token_id = ends
            config.pad_token_id = None
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return tmp_path

    return save


def test_a_tokenizer_without_pad_and_end(odd_model: Callable[..., Path]) -> None:
    engine = open_transformers(PLM("odd", str(odd_model(special=False)), "local"))
    asked = ask(10)
    answers = together(engine, asked)
    assert {answer.finish for answer in answers.values()} >= {"length"}
    for answer in answers.values():
        assert (answer.finish == "length") == (answer.completion_tokens == 30)
    assert answers == {**answers, **{r.id: together(engine, [r])[r.id] for r in asked[:2]}}


def test_a_pad_token_the_model_does_not_know(odd_model: Callable[..., Path]) -> None:
    folder = odd_model(pad="[NEW PAD]", ends=2)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer.pad_token_id >= model.get_input_embeddings().weight.shape[0]
    engine = open_transformers(PLM("odd", str(folder), "local"))
    asked = ask(10)
    answers = together(engine, asked)
    assert {r.id: together(engine, [r])[r.id].text for r in asked} == {name: a.text for name, a in answers.items()}


def test_a_model_that_writes_tokens_its_tokenizer_does_not_know(odd_model: Callable[..., Path]) -> None:
    engine = open_transformers(PLM("odd", str(odd_model(ends=2, more_rows=4000)), "local"))
    answers = together(engine, ask(10, top_p=1.0, temperature=2.0))
    assert len(answers) == 10
    assert sum(answer.completion_tokens for answer in answers.values()) > 100


def test_every_end_token_ends_a_row(odd_model: Callable[..., Path]) -> None:
    ends = list(range(100, 250))
    folder = odd_model(ends=ends, template="{% for m in messages %}{{ m.content }}{% endfor %}")
    engine = open_transformers(PLM("odd", str(folder), "local", chat=True))
    answers = together(engine, ask(40, tokens=90, top_p=1.0))
    pieces = AutoTokenizer.from_pretrained(folder).convert_ids_to_tokens(ends)
    assert {answer.finish for answer in answers.values()} == {"stop"}
    assert len({answer.completion_tokens for answer in answers.values()}) > 3
    assert not [answer.text for answer in answers.values() if any(piece in answer.text for piece in pieces[100:])]


def models() -> list[Any]:
    return [one for one in gc.get_objects() if type(one).__name__ == "LlamaForCausalLM"]


def test_a_closed_engine_is_gone(tiny_model: Callable[[str], Path]) -> None:
    before = [id(one) for one in models()]
    engine = open_transformers(PLM("tiny", str(tiny_model("llama")), "local"))
    together(engine, ask(3))
    weights = [weakref.ref(one) for one in models() if id(one) not in before]
    assert len(weights) == 1
    engine.close()
    assert weights[0]() is None
    with pytest.raises(RuntimeError, match="closed"):
        together(engine, ask(1))
