"""The STM ``embedding:<model>``: a frozen sentence encoder under a linear head. No text is encoded twice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.head import HeadSTM, standardising
from synthgen.downstream.pairs import parted
from synthgen.downstream.stm import FloatArray
from synthgen.embedders.sentence import SentenceEmbedder


class EmbeddingSTM(HeadSTM):
    """A sentence-transformers id or folder; it is loaded at the first text.

    Features are unit embeddings, standardised on the start texts and divided by ``sqrt(d)``: rows of length about 1,
    as the head's L2 expects. Where texts are pairs with the embeddings ``u`` and ``v``, ``[u, v, |u-v|, u*v]`` stands
    for the embedding (Reimers & Gurevych 2019, here with the product). The last bits of an embedding depend on the
    texts it was encoded with. Raises ``UserError`` where the package or the model is missing.
    """

    batched = True

    def __init__(self, model: str) -> None:
        self.name = f"embedding:{model}"
        self._embedder = SentenceEmbedder(model, wanted_by=f"STM {self.name}")
        self._seen: dict[str, NDArray[np.float32]] = {}
        self._mean: FloatArray | None = None
        self._scale: FloatArray = np.empty(0)

    def start(self, texts: Sequence[str]) -> FloatArray:
        """Fix mean and scale on ``texts`` and return their features (n, d)."""
        self._mean, self._scale = standardising(self._vectors(texts))
        return self.features(texts)

    def features(self, texts: Sequence[str]) -> FloatArray:
        """Return the features (n, d) of texts. Raises ``RuntimeError`` before a start.

        Raises ``ValueError`` for pairs after a start on single texts, and the other way round.
        """
        if self._mean is None:
            raise RuntimeError("call start before features")
        if not texts:
            return np.empty((0, len(self._mean)))
        vectors = self._vectors(texts)
        if vectors.shape[1] != len(self._mean):
            raise ValueError("pairs need a start on pairs, single texts one on single texts")
        return (vectors - self._mean) * self._scale

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        sides = parted(texts)
        if sides is None:
            return self._encode(texts)
        first, second = np.split(self._encode(sides[0] + sides[1]), 2)
        return np.hstack([first, second, np.abs(first - second), first * second])

    def _encode(self, texts: Sequence[str]) -> FloatArray:
        if new := [text for text in dict.fromkeys(texts) if text not in self._seen]:
            self._seen.update(zip(new, self._embedder.encode(new), strict=True))
        return np.stack([self._seen[text] for text in texts]).astype(np.float64)
