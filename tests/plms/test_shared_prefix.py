"""Rows that begin alike read, and attend to, what they share once; what they write does not change."""

from array import array
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as t
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.reading import SHORTEST, WORTH_SHARING, Reader
from synthgen.plms.engines.shared_prefix import SharedPrefixLayer, attend
from synthgen.plms.engines.transformers import open_transformers
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
ONE_HEAD_EACH = {key: value for key, value in SIZES.items() if key not in {"num_key_value_heads", "head_dim"}}
ROWS = [2, 0, 1, 1, 0, 2, 2, 1, 0, 1]
ROPE = {"rope_theta": 10000.0, "factor": 2.0}
SHARES = {
    "llama with grouped queries": t.LlamaConfig(**SIZES),
    "mistral": t.MistralConfig(**SIZES, sliding_window=None),
    "qwen3": t.Qwen3Config(**SIZES),
    "gemma": t.GemmaConfig(**SIZES),
    "neox": t.GPTNeoXConfig(**ONE_HEAD_EACH),
    "qwen3moe": t.Qwen3MoeConfig(**SIZES, num_experts=2, num_experts_per_tok=1, moe_intermediate_size=32),
}
DOES_NOT = {
    "mistral with a window": t.MistralConfig(**SIZES, sliding_window=8),
    "gemma2, capped": t.Gemma2Config(**SIZES),
    "llama, stretched as it reads": t.LlamaConfig(**SIZES, rope_parameters={"rope_type": "dynamic", **ROPE}),
    "bloom": t.BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=2),
    "falcon, without the interface": t.FalconConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2
    ),
}


def random_model(config: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(deepcopy(config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
    return model


MODEL = random_model(SHARES["llama with grouped queries"])


def prompts_of(shared: int, tails: list[int], seed: int = 0) -> list["array[int]"]:
    """Prompts that begin with the same ``shared`` tokens and then differ at once."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(20, 250, (sum(tails) + shared,), generator=generator).tolist()
    prefix, rest = words[:shared], words[shared:]
    return [array("i", [*prefix, 2 + place, *(rest.pop() for _ in range(tail))]) for place, tail in enumerate(tails)]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def differences(model: Any, prompts: list["array[int]"], rows: list[int], steps: int = 3) -> tuple[int, float]:
    """Return how much was shared, and how far the logits of some steps lie from those of each row alone, in units of
    their deviation; on the way, every other row is let go.
    """
    reader, written = Reader(model, 0), [list(prompts[row]) for row in rows]
    read = reader.read(prompts, rows)
    ids, mask, cache = read.ids, read.mask, read.states["past_key_values"]
    worst = 0.0
    for step in range(steps):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        found = model(
            input_ids=ids[:, -1:], attention_mask=mask, position_ids=positions[:, -1:], past_key_values=cache
        ).logits[:, -1]
        for row, tokens in enumerate(written):
            alone = model(input_ids=torch.tensor([tokens])).logits[0, -1]
            worst = max(worst, ((found[row] - alone).abs().max() / alone.std()).item())
        if step == 1:
            keep = torch.arange(0, len(ids), 2)
            reader.select(cache, keep)
            ids, mask, written = ids[keep], mask[keep], written[::2]
        new = [(37 * row + step) % 200 + 20 for row in range(len(ids))]
        written = [[*tokens, token] for tokens, token in zip(written, new, strict=True)]
        ids = torch.cat([ids, torch.tensor(new)[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    return read.shared, worst


@pytest.mark.parametrize("name", SHARES)
def test_logits_behind_a_shared_prefix(name: str) -> None:
    shared, worst = differences(random_model(SHARES[name]), prompts_of(50, [0, 5, 9]), ROWS)
    assert shared == 50
    assert worst < 1e-4


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "glm"])
def test_logits_of_the_papers_families(kind: str, tiny_model: Callable[[str], Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model(kind))
    shared, worst = differences(model, prompts_of(60, [3, 0, 12]), ROWS)
    assert shared == 60
    assert worst < 1e-4


@pytest.mark.parametrize("name", DOES_NOT)
def test_models_that_cannot_share_read_as_before(name: str) -> None:
    model = random_model(DOES_NOT[name])
    before = model.config._attn_implementation
    shared, worst = differences(model, prompts_of(50, [0, 5, 9]), ROWS)
    assert shared == 0
    assert worst < 1e-4
    assert model.config._attn_implementation == before


class Copies:
    """Stands before a cache and hands copies out, which have lost what was attached to them."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def update(self, *states: Any) -> Any:
        return tuple(part.clone() for part in self._cache.update(*states))


def test_a_model_that_loses_the_prefix_on_the_way_is_found_out() -> None:
    model = random_model(SHARES["qwen3"])

    def hide(module: Any, args: Any, given: dict[str, Any]) -> Any:
        cache = given["past_key_values"]
        return args, {**given, "past_key_values": cache and Copies(cache)}

    model.model.layers[2].self_attn.register_forward_pre_hook(hide, with_kwargs=True)
    shared, worst = differences(model, prompts_of(50, [0, 5, 9]), ROWS)
    assert shared == 0
    assert worst < 1e-4
    assert model.config._attn_implementation == "sdpa"


def test_a_model_without_memory_for_the_trial_is_tried_again() -> None:
    model = random_model(SHARES["qwen3"])
    prompts, full = prompts_of(50, [0, 5]), True

    def weigh(module: Any, args: Any, given: Any) -> None:
        if full:
            raise torch.OutOfMemoryError

    model.register_forward_pre_hook(weigh, with_kwargs=True)
    reader = Reader(model, 0)
    with pytest.raises(torch.OutOfMemoryError):
        reader.read(prompts, [0, 1] * 9)
    full = False
    assert reader.read(prompts, [0, 1] * 9).shared == 50


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_formats_share_too(dtype: torch.dtype, tiny_model: Callable[[str], Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=dtype)
    shared, worst = differences(model, prompts_of(60, [3, 0, 12]), ROWS)
    assert shared == 60
    assert worst < 100 * torch.finfo(dtype).eps


@settings(max_examples=30, deadline=None)
@given(
    shared=st.integers(0, 2 * SHORTEST),
    tails=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    rows=st.lists(st.integers(0, 4), min_size=1, max_size=16),
    seed=st.integers(0, 99),
)
def test_any_batch(shared: int, tails: list[int], rows: list[int], seed: int) -> None:
    prompts = prompts_of(shared, tails, seed)
    common = shared if len(prompts) > 1 else len(prompts[0]) - 1
    if len(prompts[0]) < 2:
        return
    found, worst = differences(MODEL, prompts, [row % len(prompts) for row in rows])
    worth = common >= SHORTEST and common * (len(rows) - 1) >= WORTH_SHARING
    assert found == (common if worth else 0)
    assert worst < 1e-4


@given(
    rows=st.integers(1, 5),
    heads=st.integers(1, 3),
    repeats=st.integers(1, 3),
    ahead=st.integers(1, 9),
    own=st.integers(1, 6),
    new=st.integers(1, 6),
    hidden=st.booleans(),
    seed=st.integers(0, 999),
)
def test_attention_is_that_to_all_keys(
    rows: int, heads: int, repeats: int, ahead: int, own: int, new: int, hidden: bool, seed: int
) -> None:
    """Against plain attention over keys and values that are written out for every row."""
    new = min(new, own)
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, heads * repeats, new, 4, generator=generator)
    prefix = (
        torch.randn(1, heads, ahead, 4, generator=generator),
        torch.randn(1, heads, ahead, 5, generator=generator),
    )
    states = (
        torch.randn(rows, heads, own, 4, generator=generator),
        torch.randn(rows, heads, own, 5, generator=generator),
    )
    causal = torch.ones(rows, 1, new, own, dtype=torch.bool).tril(own - new)
    mask = causal & (torch.rand(rows, 1, 1, own, generator=generator) < 0.6) if hidden else causal
    layer = SharedPrefixLayer(prefix)
    keys, values = layer.update(*states)
    module = torch.nn.Module()
    module.num_key_value_groups = repeats
    found, _ = attend(module, query, keys, values, mask if hidden else None)
    whole = [torch.cat([one.expand(rows, -1, -1, -1), other], 2) for one, other in zip(prefix, states, strict=True)]
    seen = torch.cat([torch.ones(rows, 1, new, ahead, dtype=torch.bool), mask], -1)
    wanted, _ = sdpa_attention_forward(module, query, *whole, seen)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert layer.get_seq_length() == ahead + own
    assert layer.get_mask_sizes(new) == (own + new, ahead)


@pytest.mark.parametrize("more", [{"softcap": 3.0}, {"sliding_window": 4}, {"s_aux": torch.ones(2)}, {"dropout": 0.1}])
def test_other_mathematics_is_refused(more: dict[str, Any]) -> None:
    layer = SharedPrefixLayer((torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)))
    keys, values = layer.update(torch.randn(5, 2, 1, 4), torch.randn(5, 2, 1, 4))
    with pytest.raises(NotImplementedError):
        attend(torch.nn.Module(), torch.randn(5, 2, 1, 4), keys, values, None, **more)


def few_shot(name: str, count: int) -> list[Request]:
    task = load_task("imdb")
    shown = [f"Film number {place} is long, but its actors are good and its end is not." for place in range(3)]
    return [
        Request(f"r{n:02d}", name, 0, label, task.few_shot(label, shown), derive_seed(n), Sampling(max_tokens=30))
        for n in range(count)
        for label in [["positive", "negative"][n % 2]]
    ]


@pytest.mark.parametrize("name", ["llama2", "gpt2", "opt", "chatglm3", "vicuna"])
def test_few_shot_texts_are_those_of_each_request_alone(name: str) -> None:
    engine = open_transformers(resolve_plm(name, "pocket"))
    asked = few_shot(name, 10)
    answers = list(engine.generate(asked))
    alone = [answer for request in asked for answer in engine.generate([request])]
    assert {answer.request: answer.text for answer in answers} == {answer.request: answer.text for answer in alone}
    cached = sorted(answer.prompt_tokens - answer.cached_tokens for answer in answers)
    # Of eight rows all but the last token was read before; the first reads everything, and one the end of its prompt.
    assert cached[:8] == [1] * 8
    assert 1 < cached[8] < cached[9] / 2
    assert cached[9] in {answer.prompt_tokens for answer in answers}
    assert all(answer.cached_tokens == 0 for answer in alone)


def test_a_spread_model_shares_nothing(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    names = ("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb", "lm_head")
    device_map = {**dict.fromkeys(names, "cpu"), "model.layers.1": "disk"}
    model = AutoModelForCausalLM.from_pretrained(tiny_model("llama"), device_map=device_map, offload_folder=tmp_path)
    shared, worst = differences(model, prompts_of(50, [0, 5, 9]), ROWS)
    assert shared == 0
    assert worst < 1e-4


def test_an_encoder_decoder_shares_nothing_but_equal_prompts(tiny_model: Callable[[str], Path]) -> None:
    engine = open_transformers(PLM("tiny", str(tiny_model("t5")), "local"))
    answers = list(engine.generate(few_shot("tiny", 6)))
    assert sorted(answer.cached_tokens > 0 for answer in answers) == [False, False, True, True, True, True]
