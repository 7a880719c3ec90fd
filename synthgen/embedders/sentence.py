"""Any sentence-transformers model as an embedder, and the one place where such a model is loaded."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from synthgen.embedders.base import Rows, unit_rows
from synthgen.errors import UserError
from synthgen.spread import spread

_BATCH = 64
_TOGETHER = 4096
"""Texts that go through the model at a time, sorted by length; more than these are spread over a cluster."""


class SentenceEmbedder:
    """A sentence-transformers Hub id or folder; it is loaded at the first call and keeps no text.

    Without ``alone`` the last bits of a row depend on the texts it was encoded with. Many texts are encoded in the
    cluster that a run works with, on CPUs, unless this machine has a GPU. Raises ``UserError`` where the package or the
    model is missing; ``wanted_by`` starts the sentence.
    """

    def __init__(self, model: str, *, wanted_by: str = "", device: str | None = None) -> None:
        self.name = model
        self._device = device
        self._wanted_by = wanted_by or f"Embedder {model}"
        self._encoder: Any = None

    def __reduce__(self) -> Any:
        """Take only the name along to another process, which loads the model once."""
        return _of_this_process, (self.name, self._wanted_by)

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> Rows:
        """Return unit rows (n, d); with ``alone`` each text goes through the model in a batch of its own."""
        if not texts:
            return self._rows([""])[:0]
        if alone:
            return np.concatenate([self._rows([text]) for text in texts])
        chunks = [texts[start : start + _TOGETHER] for start in range(0, len(texts), _TOGETHER)]
        if len(chunks) > 1 and self._loaded().device.type == "cpu":
            return np.concatenate(list(spread(self._rows, chunks)))
        return np.concatenate([self._rows(chunk) for chunk in chunks])

    def _loaded(self) -> Any:
        if self._encoder is None:
            self._encoder = load_encoder(self.name, wanted_by=self._wanted_by, device=self._device)
        return self._encoder

    def _rows(self, texts: Sequence[str]) -> Rows:
        # A tokenizer refuses a lone surrogate.
        sound = [text.encode("utf-8", "replace").decode() for text in texts]
        return unit_rows(self._loaded().encode(sound, batch_size=_BATCH, show_progress_bar=False))


@cache
def _of_this_process(model: str, wanted_by: str) -> SentenceEmbedder:
    return SentenceEmbedder(model, wanted_by=wanted_by, device="cpu")


def load_encoder(model: str, *, wanted_by: str, device: str | None = None) -> Any:
    """Return the SentenceTransformer of a Hub id or folder, on the best device where none is named.

    Raises ``UserError`` where the package is missing (the sentence starts with ``wanted_by``) or no such model loads.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UserError(f"{wanted_by} needs sentence-transformers: pip install 'synthgen[embedding]'.") from None
    try:
        return SentenceTransformer(model, device=device)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:160]
        raise UserError(
            f"Sentence encoder {model!r} cannot be loaded; name a sentence-transformers folder or Hub id ({reason})."
        ) from None
