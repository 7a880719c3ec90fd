"""The STM ``tfidf``: words and word pairs, weighted by rarity, under a linear head. Each text is read only once."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from synthgen.downstream.head import HeadFit, fit_head
from synthgen.downstream.pairs import WORD, Key, key_of, pair_terms
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.text import Pair

_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_Terms = tuple[NDArray[np.uint32], NDArray[np.float32]]


class TfidfSTM:
    """TF-IDF: 1- and 2-grams of words, ``1 + ln count``, smoothed idf, terms of at least two start texts, unit rows.

    Of a pair of sentences the terms are those of ``pair_terms``. Terms are 32-bit hashes that depend on nothing but the
    term, so the order in which texts arrive changes no column. Of every text ever seen the term counts stay in memory:
    about 8 bytes a term, 3 kB a long review.
    """

    name = "tfidf"

    def __init__(self) -> None:
        self._words: dict[str, int] = {}
        self._seen: dict[Key, _Terms] = {}
        self._columns: NDArray[np.uint32] | None = None
        self._idf: FloatArray = np.empty(0)

    def start(self, texts: Sequence[str]) -> csr_matrix:
        """Fix terms and idf on ``texts``; return their features (n, terms). Where no term is in two texts, take all."""
        found = [self._terms(text)[0] for text in texts]
        terms, counts = np.unique(np.concatenate(found), return_counts=True)
        if (counts > 1).any():
            terms, counts = terms[counts > 1], counts[counts > 1]
        self._columns = terms
        self._idf = np.log((1 + len(texts)) / (1 + counts)) + 1
        return self.features(texts)

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """Return unit rows (n, terms), zero for a text without a known term. Raises ``RuntimeError`` before a start."""
        if self._columns is None:
            raise RuntimeError("call start before features")
        shape = (len(texts), len(self._columns))
        if 0 in shape:
            return csr_matrix(shape)
        found = [self._terms(text) for text in texts]
        terms = np.concatenate([ids for ids, _ in found])
        columns = np.minimum(np.searchsorted(self._columns, terms), shape[1] - 1)
        known = self._columns[columns] == terms
        columns = columns[known]
        rows = np.repeat(np.arange(shape[0]), [len(ids) for ids, _ in found])[known]
        values = np.concatenate([counts for _, counts in found])[known] * self._idf[columns]
        values /= np.sqrt(np.bincount(rows, values * values, minlength=shape[0]))[rows]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
        return csr_matrix((values, columns, starts), shape=shape)

    def fit(
        self,
        features: Features,
        labels: IntArray,
        weights: FloatArray | None = None,
        *,
        n_labels: int,
        short: bool = False,
    ) -> HeadFit:
        """Fit the head; see ``fit_head``."""
        return fit_head(features, labels, weights, n_labels=n_labels, short=short)

    def _terms(self, text: str) -> _Terms:
        key = key_of(text)
        terms = self._seen.get(key)
        if terms is None:
            terms = self._seen[key] = self._read_pair(text) if isinstance(text, Pair) else self._read(text)
        return terms

    def _read(self, text: str) -> _Terms:
        single = self._hashed(WORD.findall(text.lower()))
        pairs = (single[:-1] * _FIRST) ^ (single[1:] * _SECOND)
        ids, counts = np.unique(_short(np.concatenate([single, pairs])), return_counts=True)
        return ids, (1 + np.log(counts)).astype(np.float32)

    def _read_pair(self, pair: Pair) -> _Terms:
        terms = pair_terms(pair)
        ids, places = np.unique(_short(self._hashed(list(terms))), return_inverse=True)
        return ids, np.bincount(places, list(terms.values())).astype(np.float32)

    def _hashed(self, words: list[str]) -> NDArray[np.uint64]:
        for word in set(words).difference(self._words):
            digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            self._words[word] = int.from_bytes(digest, "big")
        return np.array([self._words[word] for word in words], dtype=np.uint64)


def _short(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return (hashes >> np.uint64(32)).astype(np.uint32)
