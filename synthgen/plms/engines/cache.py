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
    # Kept here because in inference mode a view does not know what it is a view of.
    _key_buffer: torch.Tensor | None = None
    _value_buffer: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape ``(rows, heads, new, head_dim)`` and return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self._key_buffer = _appended(self.keys, key_states, self._key_buffer)
        self.values, self._value_buffer = _appended(self.values, value_states, self._value_buffer)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows ``indices``, and none of the memory of the others."""
        self._key_buffer = self._value_buffer = None
        # A layer that reads another's states has none of its own.
        if self.is_initialized and self.keys.numel():
            self.keys, self.values = self.keys[indices], self.values[indices]


def roomy(cache: Any) -> Any:
    """Give the plain layers of a decoder's cache room to grow; sliding-window and other special layers stay."""
    if isinstance(cache, DynamicCache):
        for layer in cache.layers:
            if type(layer) is DynamicLayer:
                layer.__class__ = RoomyLayer
    return cache


def _appended(
    past: torch.Tensor, new: torch.Tensor, buffer: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return ``past`` and ``new`` as a view of a buffer, and the buffer: the given one where it holds ``past`` and has
    room.
    """
    if past.numel() == 0:
        return new, None
    filled, wanted = past.shape[-2], past.shape[-2] + new.shape[-2]
    if (
        buffer is None
        or buffer.data_ptr() != past.data_ptr()
        or buffer.shape[:-2] != past.shape[:-2]
        or buffer.shape[-2] < wanted
    ):
        buffer = past.new_empty((*past.shape[:-2], wanted + ROOM, past.shape[-1]))
        buffer[..., :filled, :] = past
    buffer[..., filled:wanted, :] = new
    return buffer[..., :wanted, :], buffer
