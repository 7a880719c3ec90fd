"""A key-value cache with room to grow."""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 32
"""Positions reserved at a time."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values in buffers with spare room: a new token moves itself, not the whole past with it.

    ``keys`` and ``values`` are views of the filled part; whoever replaces them (selecting rows, cropping) merely causes
    new buffers at the next update.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape ``(rows, heads, new, head_dim)`` and return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = _appended(self.keys, key_states)
        self.values = _appended(self.values, value_states)
        return self.keys, self.values


def roomy(cache: Any) -> Any:
    """Give the plain layers of a decoder's cache room to grow; sliding-window and other special layers stay."""
    if isinstance(cache, DynamicCache):
        for layer in cache.layers:
            if type(layer) is DynamicLayer:
                layer.__class__ = RoomyLayer
    return cache


def _appended(past: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    if past.numel() == 0:
        return new
    filled, wanted = past.shape[-2], past.shape[-2] + new.shape[-2]
    buffer = past._base
    if buffer is None or buffer.shape[-2] < wanted or buffer.shape[:-2] != past.shape[:-2] or buffer.dim() != 4:
        shape = (*past.shape[:-2], wanted + ROOM, past.shape[-1])
        buffer = past.new_empty(shape)
        buffer[..., :filled, :] = past
    buffer[..., filled:wanted, :] = new
    return buffer[..., :wanted, :]
