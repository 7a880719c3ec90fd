from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build a random model of an architecture in the standard format, once a session."""
    made: dict[str, Path] = {}

    def build(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            _save(kind, made[kind])
        return made[kind]

    return build


def _save(kind: str, folder: Path) -> None:
    import torch
    import transformers as t
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(['a short review reads: "the film was fine"'] * 9, trainer)
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    shared: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 2}
    wide = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 256}
    torch.manual_seed(0)
    model: Any
    match kind:
        case "llama":
            model = t.LlamaForCausalLM(t.LlamaConfig(intermediate_size=128, bos_token_id=1, **wide, **shared))
        case "gpt2":
            model = t.GPT2LMHeadModel(
                t.GPT2Config(n_embd=64, n_layer=2, n_head=2, n_positions=256, bos_token_id=1, **shared)
            )
        case "opt":
            model = t.OPTForCausalLM(t.OPTConfig(ffn_dim=128, word_embed_proj_dim=64, bos_token_id=1, **wide, **shared))
        case "glm":
            extra = {"intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 32, "bos_token_id": 1}
            model = t.GlmForCausalLM(t.GlmConfig(**extra, **wide, **shared))
        case "t5":
            sizes = {"d_model": 64, "d_kv": 32, "num_heads": 2, "d_ff": 128, "num_layers": 2, "num_decoder_layers": 3}
            model = t.T5ForConditionalGeneration(t.T5Config(decoder_start_token_id=0, **sizes, **shared))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
