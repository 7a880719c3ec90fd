"""Attention of many rows to a prefix that they share: its keys and values are kept, and read, once.

After Juravsky et al. 2024 (Hydragen): the scores of all rows against the prefix are one matrix product instead of one
product a row. One softmax goes over them and each row's own scores, so the result is that of plain attention.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from synthgen.plms.engines.cache import RoomyLayer

ATTENTION = "shared_prefix"
"""The name by which a model is told to attend in this way; without a shared prefix it is plain ``sdpa``."""

_OTHER_MATHEMATICS = ("softcap", "s_aux", "position_bias", "sliding_window")


class SharedPrefixLayer(RoomyLayer):
    """A shared prefix, kept once, and what follows it, row by row.

    ``prefix`` holds its keys and values, each of shape ``(1, heads, length, head_dim)``; ``keys`` and ``values`` hold
    the rows' own part and go out of ``update`` with the prefix attached, for ``attend`` to find.
    """

    def __init__(self, prefix: tuple[torch.Tensor, torch.Tensor]) -> None:
        super().__init__()
        self.prefix = prefix
        self.lazy_initialization(*prefix)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append to the rows' own part and return it, the prefix attached to its keys."""
        keys, values = super().update(key_states, value_states, *args, **kwargs)
        keys.shared_prefix = self.prefix
        return keys, values

    def get_seq_length(self) -> int:
        """Return how many tokens a row has behind it, the prefix included."""
        return int(self.prefix[0].shape[-2] + super().get_seq_length())

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return length and offset of what a mask is about: the own part, for the prefix hides nothing."""
        return super().get_seq_length() + query_length, self.prefix[0].shape[-2]


def behind(cache: Any) -> Any:
    """Return a cache for rows that follow what the one row of ``cache`` has read.

    Raises ``NotImplementedError`` where one of its layers keeps something else than the keys and values of all tokens.
    """
    plain = type(cache) is DynamicCache and all(type(layer) is DynamicLayer for layer in cache.layers)
    if not plain or not all(layer.is_initialized for layer in cache.layers):
        raise NotImplementedError("Only keys and values of all tokens can be shared.")
    cache.layers = [SharedPrefixLayer((layer.keys, layer.values)) for layer in cache.layers]
    return cache


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of ``query``, shape ``(rows, tokens, heads, head_dim)``, and no weights.

    The arguments are those of every attention function of transformers. Raises ``NotImplementedError`` where a model
    asks for more than scaled dot products under a mask.
    """
    prefix = getattr(key, "shared_prefix", None)
    if prefix is None:
        return _plain(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    if dropout or any(kwargs.get(name) is not None for name in _OTHER_MATHEMATICS):
        raise NotImplementedError("Attention to a shared prefix is softmax attention and nothing else.")
    if attention_mask is not None and (attention_mask.dtype != torch.bool or attention_mask.shape[1] != 1):
        raise NotImplementedError("Attention to a shared prefix knows masks, not biases.")
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.shape[2] == 1:
        return _one_token(query * scaling, key, value, prefix, attention_mask), None
    return _plain(
        module, query, *_joined(prefix, key, value), _whole(attention_mask, prefix, query, key), scaling=scaling
    )


def _one_token(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
) -> torch.Tensor:
    rows, heads, kept = len(query), key.shape[1], prefix[0].shape[-2]
    # Query heads that share a key head stand beside each other: (rows, key heads, repeats, head_dim).
    query = query.reshape(rows, heads, -1, query.shape[-1])
    together = query.transpose(0, 1).flatten(1, 2)
    ahead = (together @ prefix[0][0].mT).unflatten(1, (rows, -1))
    own = query @ key.mT
    if mask is not None:
        own = own.masked_fill(~mask, -torch.inf)
    scores = torch.cat([ahead, own.transpose(0, 1)], dim=-1)
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    seen = (weights[..., :kept].flatten(1, 2) @ prefix[1][0]).unflatten(1, (rows, -1)).transpose(0, 1)
    return (seen + weights[..., kept:].transpose(0, 1) @ value).reshape(rows, 1, -1, value.shape[-1])


def _joined(prefix: tuple[torch.Tensor, torch.Tensor], *own: torch.Tensor) -> list[torch.Tensor]:
    return [
        torch.cat([ahead.expand(len(states), -1, -1, -1), states], dim=-2)
        for ahead, states in zip(prefix, own, strict=True)
    ]


def _whole(
    mask: torch.Tensor | None, prefix: tuple[torch.Tensor, torch.Tensor], query: torch.Tensor, key: torch.Tensor
) -> torch.Tensor:
    """Return the mask of the own part, which may be causal without saying so, widened by the prefix."""
    new, own = query.shape[2], key.shape[2]
    if mask is None:
        mask = torch.ones(len(query), 1, new, own, dtype=torch.bool, device=query.device).tril(own - new)
    return torch.nn.functional.pad(mask, (prefix[0].shape[-2], 0), value=True)


def _plain(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, None]:
    attended: tuple[torch.Tensor, None] = sdpa_attention_forward(*args, **kwargs)
    return attended


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
