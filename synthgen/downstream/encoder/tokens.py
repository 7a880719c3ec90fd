"""Texts as rows of token ids, and rows as padded batches. No text is tokenised twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from synthgen.downstream.stm import Features, IntArray


class Tokens:
    """Sparse rows (n, ``length``) that hold the id of token t, plus one, in column t.

    ``length`` is ``wanted`` or what the model can take, if that is less.
    """

    def __init__(self, tokenizer: Any, wanted: int) -> None:
        self.length = wanted
        self._tokenizer = tokenizer
        self._seen: dict[str, NDArray[np.int32]] = {}

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        """Return the rows of texts, cut at ``length`` tokens; a text without tokens has one unknown one."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._seen]:
            # A tokenizer refuses a lone surrogate.
            sound = [text.encode("utf-8", "replace").decode() for text in new]
            read = self._tokenizer(sound, truncation=True, max_length=self.length, return_attention_mask=False)
            for text, ids in zip(new, read["input_ids"], strict=True):
                self._seen[text] = np.array(ids or [self._tokenizer.unk_token_id or 0], dtype=np.int32) + 1
        found = [self._seen[text] for text in texts]
        lengths = [len(ids) for ids in found]
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        columns = np.concatenate([np.arange(length, dtype=np.int32) for length in [0, *lengths]])
        values = np.concatenate([np.empty(0, dtype=np.int32), *found])
        return csr_matrix((values, columns, starts), shape=(len(texts), self.length))


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
        """Return ``input_ids`` and ``attention_mask``, each (rows, longest)."""
        shifted = csr_matrix(features[rows])
        width = max(1, int(np.diff(shifted.indptr).max()))
        values = torch.from_numpy(shifted[:, :width].toarray().astype(np.int64))
        return {
            "input_ids": torch.where(values > 0, values - 1, self.pad).to(self.device),
            "attention_mask": (values > 0).long().to(self.device),
        }


def lengths(features: Features) -> IntArray:
    """Return the tokens of each row (n,)."""
    return np.diff(csr_matrix(features).indptr).astype(np.int64)


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
