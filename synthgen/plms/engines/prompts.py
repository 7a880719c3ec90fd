"""From a request's prompt to the tokens a PLM reads: chat template, context, demonstrations that have no room."""

from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.prompt import shortened
from synthgen.records import Request

REMEMBERED = 4096
"""Prompts whose tokens are kept: what a batch is sorted by is what it sends."""

_DATELESS = "{% macro strftime_now(layout) %}26 Jul 2024{% endmacro %}{{ '' }}"
"""Ahead of a template that asks for today's date: a prompt, and a dataset, must not differ from day to day."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A prompt as the PLM reads it: its ``tokens`` (ids), without ``dropped`` of its demonstrations."""

    tokens: "array[int]"
    dropped: int


class Prompts:
    """Turns requests into tokens. ``context`` is in tokens, None where there is no limit; ``room_for_text`` says
    whether the text is written behind the prompt, into the same context.
    """

    def __init__(
        self,
        plm: PLM,
        tokenizer: Any,
        *,
        readable: int,
        context: int | None,
        room_for_text: bool,
    ) -> None:
        self._plm = plm
        self._tokenizer = tokenizer
        self._readable = readable
        self._context = context
        self._room_for_text = room_for_text
        self._fitted = lru_cache(REMEMBERED)(self._fit)
        if plm.chat and not tokenizer.chat_template:
            raise UserError(
                f"The chat model {plm.name} has no chat template; give one with --set serving.{plm.name}.template=FILE "
                f"or treat it as a base model with --set serving.{plm.name}.chat=false."
            )

    def sent(self, request: Request) -> Sent:
        """Return what is sent for ``request``: with ever fewer demonstrations, from the left, until it fits.

        Raises ``UserError`` where the rest of the prompt alone is too long.
        """
        return self._fitted(request.prompt, getattr(request.prompt, "spans", ()), request.sampling.max_tokens)

    def _fit(self, prompt: str, _: object, max_tokens: int) -> Sent:
        tokens = self._encode(prompt)
        room, drop = self._room(max_tokens), 0
        while room is not None and len(tokens) > room:
            drop += 1
            shorter = shortened(prompt, drop)
            if shorter is None:
                raise UserError(self._too_long(len(tokens), max_tokens))
            tokens = self._encode(shorter)
        return Sent(tokens, drop)

    def _room(self, max_tokens: int) -> int | None:
        if self._context is None:
            return None
        shares = self._room_for_text or max_tokens > self._context
        return self._context - max_tokens if shares else self._context

    def _too_long(self, tokens: int, max_tokens: int) -> str:
        return (
            f"A prompt of {tokens} tokens and a text of {max_tokens} are more than the context of {self._plm.name} can "
            f"hold ({self._context} tokens); ask for shorter texts, shorten the task's prompt, or choose a PLM with a "
            "longer context."
        )

    def _encode(self, prompt: str) -> "array[int]":
        text = self._rendered(prompt) if self._plm.chat else prompt
        ids = self._tokenizer(text, add_special_tokens=not self._plm.chat)["input_ids"]
        if not ids:
            raise UserError(f"The tokenizer of {self._plm.name} makes no token of the prompt; the prompt is empty.")
        if max(ids) >= self._readable:
            raise UserError(
                f"The tokenizer of {self._plm.name} does not belong to its model: it makes token {max(ids)}, "
                f"and the model knows {self._readable}."
            )
        return array("i", ids)

    def _rendered(self, prompt: str) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": str(prompt)}],
                chat_template=_DATELESS + self._tokenizer.get_chat_template(),
                tokenize=False,
                add_generation_prompt=True,
                # A thinking model would think until its tokens are used up.
                enable_thinking=False,
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise UserError(
                f"The chat template of {self._plm.name} cannot be used ({error}); give another with "
                f"--set serving.{self._plm.name}.template=FILE."
            ) from error
        return text


def context_of(plm: PLM, config: Any) -> int | None:
    """Return how many tokens the PLM can hold, None where positions are relative.

    The tokenizer's ``model_max_length`` is not asked: it is often wrong, or absurd.
    """
    text = config.get_text_config()
    known = plm.serving.max_model_len
    if getattr(text, "relative_attention_num_buckets", None):
        return known
    for name in ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length"):
        value = getattr(text, name, None)
        if isinstance(value, int) and value > 0:
            return min(value, known or value)
    return known
