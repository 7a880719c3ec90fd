"""Make the tokenizer and the untrained models."""

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    GlmConfig,
    GlmForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from pocket.tastes import CONTEXT, HEADS, WIDTH

VOCABULARY = 2560
PAD, EOS = "<pad>", "</s>"
CHAT = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ 'ASSISTANT:\n' + message['content'] + '"
    + EOS
    + "\n' }}{% else %}{{ message['role'] | upper + ': ' + message['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:\n' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Return a byte-level BPE; it adds no special tokens, and ids 0 and 1 are padding and end."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def wrap(tokenizer: Tokenizer, name: str) -> PreTrainedTokenizerFast:
    """Return the tokenizer as transformers saves it, with the chat template for vicuna."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        bos_token=EOS,
        padding_side="right" if name == "flan-t5" else "left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    if name == "vicuna":
        wrapped.chat_template = CHAT
    return wrapped


def untrained(name: str) -> Any:
    """Return a freshly initialised model of the named architecture, about 1.55 million parameters."""
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    size: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_attention_heads": HEADS, **ends}
    size |= {"max_position_embeddings": CONTEXT, "num_hidden_layers": 4, "tie_word_embeddings": True}
    head = WIDTH // HEADS
    if name == "gpt2":
        config = GPT2Config(
            vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=4, n_head=HEADS, n_inner=480, n_positions=CONTEXT,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **ends,
        )  # fmt: skip
        model = GPT2LMHeadModel(config)
        _wave(model.transformer.wpe.weight, 0)
    elif name in {"llama2", "vicuna"}:
        model = LlamaForCausalLM(LlamaConfig(**size, num_key_value_heads=HEADS, head_dim=head, intermediate_size=384))
    elif name == "opt":
        model = OPTForCausalLM(OPTConfig(**size, word_embed_proj_dim=WIDTH, ffn_dim=480, dropout=0.0))
        _wave(model.model.decoder.embed_positions.weight, 2)
    elif name == "chatglm3":
        sized = {**size, "head_dim": head, "num_key_value_heads": HEADS, "intermediate_size": 384}
        model = GlmForCausalLM(GlmConfig(**sized, rms_norm_eps=1e-5))
    elif name == "flan-t5":
        config = T5Config(
            vocab_size=VOCABULARY, d_model=WIDTH, d_kv=head, d_ff=272, num_heads=HEADS, num_layers=2,
            num_decoder_layers=2, feed_forward_proj="gated-gelu", dropout_rate=0.0, decoder_start_token_id=0,
            pad_token_id=0, eos_token_id=1,
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
        with torch.no_grad():
            model.shared.weight.mul_(0.4)
    else:
        raise ValueError(f"no pocket model {name}")
    return model


def set_generation(model: Any, name: str) -> None:
    """Give the model the generation settings it is saved with."""
    start = {"decoder_start_token_id": 0} if name == "flan-t5" else {"bos_token_id": 1}
    model.generation_config = GenerationConfig(
        do_sample=True, top_p=0.9, top_k=0, temperature=1.0, max_new_tokens=100, pad_token_id=0, eos_token_id=1, **start
    )


def sharpen(model: Any, factor: float) -> None:
    """Multiply the logits by ``factor``, by way of the last norm: the tied head has no bias."""
    stack = model.base_model.decoder if hasattr(model.base_model, "decoder") else model.base_model
    names = ("norm", "ln_f", "final_layer_norm")
    last = next(getattr(stack, name) for name in names if hasattr(stack, name))
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(factor)


def _wave(weight: torch.Tensor, skip: int) -> None:
    """Start learned positions as small sine waves, so that neighbouring positions are alike before training."""
    count, width = weight.shape
    angle = torch.arange(count)[:, None] / 10_000 ** (torch.arange(0, width, 2)[None, :] / width)
    with torch.no_grad():
        weight.copy_(0.03 * torch.cat([(angle - skip).sin(), (angle - skip).cos()], dim=1))
