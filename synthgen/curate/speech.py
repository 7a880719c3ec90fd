"""How probable one language is for many texts at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from synthgen.curate.grams import Numbers, distinct

LONGEST = 1024
"""Bytes of the longest text that is looked at: a table of texts by bytes is laid out."""


class Speech:
    """Probabilities of one language, as py3langid's ``rank`` has them but for rounding and for a script's second name.

    It reads a text byte by byte with an automaton whose states count features. Here the automata of all texts take
    each step together, as arrays, which is ten times as fast.
    """

    def __init__(self, identifier: Any, language: str) -> None:
        self._moves = np.frombuffer(identifier.tk_nextmove, dtype=np.uint32)
        self._row_starts = np.array(identifier.tk_row, dtype=np.uint32) << np.uint32(8)
        self._features = np.array(identifier.tk_output, dtype=np.int32)
        self._identifier = identifier
        self._class = identifier.nb_classes.index(language)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (texts,) probabilities; 0 for a text that is too long to be looked at, or empty."""
        encoded = [self._identifier._encode(text) for text in texts]
        lengths = np.array([len(text) for text in encoded], dtype=np.int64)
        order = np.argsort(-np.where(lengths > LONGEST, 0, lengths), kind="stable")
        order = order[: np.count_nonzero((lengths > 0) & (lengths <= LONGEST))]
        found = np.zeros(len(texts), dtype=np.float32)
        if len(order):
            logs = self._scores(self._walk([encoded[row] for row in order], lengths[order]))
            logs /= np.sqrt(lengths[order], dtype=np.float32)[:, np.newaxis]
            odds = np.exp(logs - logs.max(axis=1, keepdims=True))
            found[order] = odds[:, self._class] / odds.sum(axis=1)
        return found

    def _walk(self, texts: Sequence[bytes], lengths: Numbers) -> NDArray[np.int32]:
        """Return the feature (steps, texts) of each state that texts, the longest first, come to; -1 where none."""
        letters = np.zeros((len(texts), int(lengths[0])), dtype=np.uint8)
        letters[np.arange(lengths[0]) < lengths[:, np.newaxis]] = np.frombuffer(b"".join(texts), dtype=np.uint8)
        letters = np.ascontiguousarray(letters.T)
        features = np.full(letters.shape, -1, dtype=np.int32)
        states = np.zeros(len(texts), dtype=np.uint32)
        for step, count in enumerate((np.searchsorted(-lengths, -np.arange(lengths[0]))).tolist()):
            states = self._moves[self._row_starts[states[:count]] + letters[step, :count]]
            features[step, :count] = self._features[states]
        return features

    def _scores(self, features: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the naive Bayes scores (texts, languages) from the features counted."""
        steps, rows = np.nonzero(features >= 0)
        known = features[steps, rows].astype(np.int64)
        keys = np.sort(rows * len(self._identifier.nb_ptc) + known)
        firsts = np.flatnonzero(np.diff(keys, prepend=-1))
        rows, known = np.divmod(keys[firsts], len(self._identifier.nb_ptc))
        weights = np.log1p(np.diff(firsts, append=len(keys)).astype(np.float32))
        present = distinct(np.sort(known))
        places: tuple[Numbers, Numbers] = rows, np.searchsorted(present, known)
        counted = csr_array((weights, places), shape=(features.shape[1], len(present)))
        table: NDArray[np.float32] = self._identifier.nb_ptc[present].astype(np.float32)
        # Without a feature all languages are alike, however common.
        some = np.any(features >= 0, axis=0, keepdims=True).T
        scores: NDArray[np.float32] = counted @ table + some * self._identifier.nb_pc
        return scores
