"""Today's architectures write through the engine what plain ``generate`` writes."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as t
from transformers import AutoTokenizer

from synthgen.plms.catalog import PLM, pocket_folder
from synthgen.plms.engines.transformers import open_transformers
from synthgen.records import Request, Sampling

WIDE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
}
WINDOW = {"sliding_window": 8}
BART: dict[str, Any] = {
    **{f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("layers", 2), ("attention_heads", 2))},
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64),
    "d_model": 32,
    "max_position_embeddings": 256,
    "forced_eos_token_id": None,
}
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "qwen3": (t.Qwen3Config, t.Qwen3ForCausalLM, WIDE),
    "gemma3": (t.Gemma3TextConfig, t.Gemma3ForCausalLM, {**WIDE, **WINDOW, "num_hidden_layers": 7}),
    "mistral": (t.MistralConfig, t.MistralForCausalLM, {**WIDE, **WINDOW}),
    "phi3": (t.Phi3Config, t.Phi3ForCausalLM, {**WIDE, **WINDOW}),
    "smollm3": (t.SmolLM3Config, t.SmolLM3ForCausalLM, WIDE),
    "bloom": (t.BloomConfig, t.BloomForCausalLM, {"hidden_size": 32, "n_layer": 2, "n_head": 2}),
    "bart": (t.BartConfig, t.BartForConditionalGeneration, BART),
}
LENGTH = 40
PROMPTS = ["A review reads: ", "A much longer prompt with a film in it, and another film, reads as follows: "]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_likeliest_is_what_generate_writes(family: str, tmp_path: Path) -> None:
    config, kind, sizes = FAMILIES[family]
    tokenizer = AutoTokenizer.from_pretrained(pocket_folder("pocket/gpt2"))
    torch.manual_seed(1)
    made = config(
        vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=1, tie_word_embeddings=False, **sizes
    )
    model = kind(made).eval()
    model.generation_config = t.GenerationConfig(
        bos_token_id=1,
        eos_token_id=1,
        pad_token_id=0,
        decoder_start_token_id=model.generation_config.decoder_start_token_id,
    )
    with torch.no_grad():
        # Random weights of the usual size write one token for ever.
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.4)
    # Settings of the authors' own are not the request's.
    model.generation_config.repetition_penalty = 1.7
    model.generation_config.min_new_tokens = 3
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model.generation_config.repetition_penalty = None
    model.generation_config.min_new_tokens = None
    engine = open_transformers(PLM("new", str(tmp_path), "local"))
    cold = Sampling(max_tokens=LENGTH, temperature=1e-4, stop="")
    asked = [Request(f"r{n}", "new", 0, "a", prompt, n, cold) for n, prompt in enumerate(PROMPTS)]
    written = {answer.request: answer.text for answer in engine.generate(asked)}
    seen: set[int] = set()
    for request in asked:
        given = tokenizer(request.prompt, return_tensors="pt", return_token_type_ids=False)
        out = model.generate(**given, max_new_tokens=LENGTH, do_sample=False)[0]
        new = out[1 if made.is_encoder_decoder else given["input_ids"].shape[1] :]
        assert written[request.id] == tokenizer.decode(new, skip_special_tokens=True)
        seen.update(new.tolist())
    assert len(seen) > 3
