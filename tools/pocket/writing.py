"""Let a saved pocket PLM write, by plain transformers sampling."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

ROWS = 50


@dataclass(slots=True)
class Writer:
    """A loaded model; ``tokens`` and ``seconds`` add up what was generated."""

    model: Any
    tokenizer: Any
    tokens: int = 0
    seconds: float = 0.0

    def write(self, prompts: Sequence[str], max_tokens: int) -> list[str]:
        """Return one text a prompt in order, sampled with top_p 0.9 at temperature 1, up to the closing quote."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        texts = [""] * len(prompts)
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            for i, text in zip(rows, self._batch([prompts[i] for i in rows], max_tokens), strict=True):
                texts[i] = text
        return texts

    def _batch(self, prompts: list[str], max_tokens: int) -> list[str]:
        if self.tokenizer.chat_template:
            prompts = [
                self.tokenizer.apply_chat_template(
                    [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
                )
                for prompt in prompts
            ]
        given = self.tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)
        began = time.perf_counter()
        out = self.model.generate(**given, do_sample=True, top_p=0.9, top_k=0, max_new_tokens=max_tokens)
        self.seconds += time.perf_counter() - began
        new = out[:, 1:] if self.model.config.is_encoder_decoder else out[:, given["input_ids"].shape[1] :]
        self.tokens += int((new != self.tokenizer.pad_token_id).sum())
        return [text.partition('"')[0].strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]


def open_writer(folder: Path) -> Writer:
    """Load a model folder in float32."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = AutoModelForCausalLM if tokenizer.padding_side == "left" else AutoModelForSeq2SeqLM
    return Writer(kind.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer)
