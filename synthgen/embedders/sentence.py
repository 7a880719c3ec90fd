"""Any sentence-transformers model as an embedder, and the one place where such a model is loaded."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.embedders.base import Rows, unit_rows
from synthgen.errors import UserError

_BATCH = 64


class SentenceEmbedder:
    """A sentence-transformers Hub id or folder; it is loaded at the first call and keeps no text.

    Without ``alone`` the last bits of a row depend on the texts it was encoded with. Raises ``UserError`` where the
    package or the model is missing.
    """

    def __init__(self, model: str) -> None:
        self.name = model
        self._encoder: Any = None

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> Rows:
        """Return unit rows (n, d); with ``alone`` each text goes through the model in a batch of its own."""
        if self._encoder is None:
            self._encoder = load_encoder(self.name, wanted_by=f"Embedder {self.name}")
        if not texts:
            return self._rows([""])[:0]
        if alone:
            return np.concatenate([self._rows([text]) for text in texts])
        return self._rows(texts)

    def _rows(self, texts: Sequence[str]) -> Rows:
        # A tokenizer refuses a lone surrogate.
        sound = [text.encode("utf-8", "replace").decode() for text in texts]
        return unit_rows(self._encoder.encode(sound, batch_size=_BATCH, show_progress_bar=False))


def load_encoder(model: str, *, wanted_by: str) -> Any:
    """Return the SentenceTransformer of a Hub id or folder.

    Raises ``UserError`` where the package is missing (the sentence starts with ``wanted_by``) or no such model loads.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UserError(f"{wanted_by} needs sentence-transformers: pip install 'synthgen[embedding]'.") from None
    try:
        return SentenceTransformer(model)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:160]
        raise UserError(
            f"Sentence encoder {model!r} cannot be loaded; name a sentence-transformers folder or Hub id ({reason})."
        ) from None
