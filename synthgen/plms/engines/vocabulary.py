"""Which tokens end a row and which one fills it up, from a model and a tokenizer that may disagree."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch


class Vocabulary:
    """``ends`` are the ids that end a text, ``pad`` is the id that fills rows up.

    A real padding token ends a text too; where there is none, ``pad`` may be a word, and is only ever seen masked.
    ``readable`` is the number of ids that the model can read.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.readable: int = model.get_input_embeddings().weight.shape[0]
        self._size = max(self.readable, model.config.get_text_config().vocab_size, _highest(tokenizer) + 1)
        configs = (tokenizer, model.generation_config, model.config.get_text_config())
        ends = {end for config in configs for end in _ids(getattr(config, "eos_token_id", None))}
        pads = list(self._known(_ids(tokenizer.pad_token_id)))
        self.ends = frozenset(end for end in (*ends, *pads) if 0 <= end < self._size)
        own_end = _ids(tokenizer.eos_token_id)
        self.pad: int = next(self._known([*pads, *own_end, *sorted(ends), *tokenizer.all_special_ids, 0]))
        self._closing: dict[str, torch.Tensor] = {}

    def closing(self, stop: str) -> torch.Tensor:
        """Return which ids end a text, or contain ``stop`` (one character: no token border can split it)."""
        if stop not in self._closing:
            self._closing[stop] = self._ending(stop)
        return self._closing[stop]

    def _known(self, ids: Iterable[int]) -> Iterator[int]:
        return (one for one in ids if 0 <= one < self.readable)

    def _ending(self, stop: str) -> torch.Tensor:
        ending = torch.zeros(self._size, dtype=torch.bool)
        ending[list(self.ends)] = True
        if stop:
            join = self._tokenizer.convert_tokens_to_string
            ending[[one for piece, one in self._tokenizer.get_vocab().items() if stop in join([piece])]] = True
        return ending


def _highest(tokenizer: Any) -> int:
    return max(tokenizer.get_vocab().values(), default=-1)


def _ids(value: Any) -> list[int]:
    """Configurations name no end, one, or several."""
    if value is None:
        return []
    return [int(one) for one in value] if isinstance(value, list | tuple) else [int(value)]
