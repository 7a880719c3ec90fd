"""Texts and pairs as rows of token ids, and rows as padded batches. No text is tokenised twice."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from synthgen.downstream.pairs import Key, parted
from synthgen.downstream.rows import matrix
from synthgen.downstream.stm import Features, IntArray

_TYPE = 24
"""The bit at which the type of a token begins. No vocabulary has so many tokens that it would reach so far."""


class Tokens:
    """Sparse rows (n, ``length``) that hold the id of token t, plus one, in column t.

    Where the model tells the sentences of a pair apart, ``typed``, the token's type stands above it in the same number.
    ``length`` is ``wanted`` or what the model can take, if that is less.
    """

    def __init__(self, tokenizer: Any, wanted: int, *, typed: bool) -> None:
        self.length = wanted
        self._tokenizer = tokenizer
        self._typed = typed
        self._seen: dict[Key, NDArray[np.int32]] = {}

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        """Return the rows of texts, cut at ``length`` tokens; a text without tokens has one unknown one.

        Of a pair the longer sentence is cut first. Raises ``ValueError`` where single texts are among pairs.
        """
        sides = parted(texts)
        keys: Sequence[Key] = texts if sides is None else list(zip(*sides, strict=True))
        if new := [key for key in dict.fromkeys(keys) if key not in self._seen]:
            read = self._read(new) if sides is None else self._read(*zip(*new, strict=True))
            self._seen.update(zip(new, read, strict=True))
        found = [self._seen[key] for key in keys]
        lengths = [len(ids) for ids in found]
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        columns = np.concatenate([np.arange(length, dtype=np.int32) for length in [0, *lengths]])
        values = np.concatenate([np.empty(0, dtype=np.int32), *found])
        return csr_matrix((values, columns, starts), shape=(len(texts), self.length))

    def _read(self, *sides: Sequence[Any]) -> Iterator[NDArray[np.int32]]:
        typed = self._typed and len(sides) == 2
        # A tokenizer refuses a lone surrogate.
        sound = [[text.encode("utf-8", "replace").decode() for text in side] for side in sides]
        read = self._tokenizer(
            *sound, truncation=True, max_length=self.length, return_attention_mask=False, return_token_type_ids=typed
        )
        for row, ids in enumerate(read["input_ids"]):
            numbers = np.array(ids or [self._tokenizer.unk_token_id or 0], dtype=np.int32) + 1
            if typed and ids:
                numbers += np.array(read["token_type_ids"][row], dtype=np.int32) << _TYPE
            yield numbers


def tells_apart(model: nn.Module, config: Any) -> bool:
    """Return whether the model has an embedding for the tokens of a second sentence."""
    takes = inspect.signature(model.forward).parameters
    return "token_type_ids" in takes and (getattr(config, "type_vocab_size", 0) or 0) > 1


def longest(model: nn.Module, config: Any, tokenizer: Any) -> int | None:
    """Return how many tokens the model takes, None where nothing says so."""
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            # Positions of the RoBERTa family are counted from behind the padding's own.
            limits.append(int(module.num_embeddings) - int(module.padding_idx) - 1)
    # A tokenizer that knows no limit says 10^30; models of relative positions say 0 or -1.
    return min((int(limit) for limit in limits if limit and 0 < limit < 10**9), default=None)


@dataclass(frozen=True, slots=True)
class Padder:
    """Pads rows to the longest of them, on the model's device."""

    pad: int
    device: torch.device

    def batch(self, features: Features, rows: IntArray) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask``, each (rows, longest), and types of tokens if any is not 0."""
        kept = matrix(features[rows])
        width = max(1, int(np.diff(kept.indptr).max()))
        values = torch.from_numpy(kept[:, :width].toarray().astype(np.int64))
        shifted, types = values & ((1 << _TYPE) - 1), values >> _TYPE
        batch = {
            "input_ids": torch.where(values > 0, shifted - 1, self.pad),
            "attention_mask": (values > 0).long(),
            **({"token_type_ids": types} if types.any() else {}),
        }
        return {name: tensor.to(self.device) for name, tensor in batch.items()}


def lengths(features: Features) -> IntArray:
    """Return the tokens of each row (n,)."""
    return np.diff(matrix(features).indptr).astype(np.int64)


def batches_of_equal_length(features: Features, tokens: int) -> list[IntArray]:
    """Cut all rows, sorted by length, into batches of at most ``tokens`` tokens with padding, one row at least."""
    counts = lengths(features)
    found: list[IntArray] = []
    batch: list[int] = []
    # From the longest down: the first of a batch is its width, and too little memory shows at once.
    for row in np.argsort(-counts, kind="stable"):
        if batch and (len(batch) + 1) * counts[batch[0]] > tokens:
            found.append(np.array(batch))
            batch = []
        batch.append(int(row))
    return [*found, np.array(batch)] if batch else found
