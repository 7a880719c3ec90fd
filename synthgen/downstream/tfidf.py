"""The STM ``tfidf``: words and word pairs, weighted by rarity, under a linear head. Each text is read only once."""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from synthgen.downstream.head import HeadSTM
from synthgen.downstream.pairs import WORD, pair_terms
from synthgen.downstream.rows import SharedRows
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.downstream.terms import ENTRY, Read, Terms
from synthgen.text import Pair

_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class TfidfSTM(HeadSTM):
    """TF-IDF: 1- and 2-grams of words, ``1 + ln count``, smoothed idf, terms of at least two start texts, unit rows.

    Of a pair of sentences the terms are those of ``pair_terms``. Terms are 32-bit hashes that depend on nothing but the
    term, so the order in which texts arrive changes no column. In memory are the features of the texts at hand, 12
    bytes a term of a text; the terms of every text ever seen, 8 bytes each, are in a temporary file.
    """

    name = "tfidf"

    def __init__(self) -> None:
        self._words: dict[str, int] = {}
        self._terms = Terms(self._read)
        self._columns: NDArray[np.uint32] | None = None
        self._idf: FloatArray = np.empty(0)

    def start(self, texts: Sequence[str]) -> SharedRows:
        """Fix terms and idf on ``texts``; return their features (n, terms). Where no term is in two texts, take all."""
        places = self._terms.places(texts)
        terms, counts = self._terms.frequencies(places)
        if (counts > 1).any():
            terms, counts = terms[counts > 1], counts[counts > 1]
        self._columns = terms
        self._idf = np.log((1 + len(places)) / (1 + counts)) + 1
        return self._rows(places, terms)

    def features(self, texts: Sequence[str]) -> SharedRows:
        """Return unit rows (n, terms), zero for a text without a known term. Raises ``RuntimeError`` before a start."""
        if self._columns is None:
            raise RuntimeError("call start before features")
        return self._rows(self._terms.places(texts), self._columns)

    def _rows(self, places: IntArray, known: NDArray[np.uint32]) -> SharedRows:
        shape = (len(places), len(known))
        if 0 in shape:
            return SharedRows(csr_matrix(shape))
        most = int(self._terms.sizes(places).sum())
        index: Any = np.int32 if most < 2**31 else np.int64
        # Where terms are left out the end stays untouched, and takes no memory.
        values, columns, starts = np.empty(most), np.empty(most, dtype=index), np.zeros(1 + len(places), dtype=index)
        row = end = 0
        for lengths, entries in self._terms.blocks(places):
            at = np.minimum(np.searchsorted(known, entries["term"]), len(known) - 1)
            kept = known[at] == entries["term"]
            at, owner = at[kept], np.repeat(np.arange(len(lengths)), lengths)[kept]
            part = entries["count"][kept] * self._idf[at]
            part /= np.sqrt(np.bincount(owner, part * part, minlength=len(lengths)))[owner]
            values[end : end + len(at)], columns[end : end + len(at)] = part, at
            starts[row + 1 : row + 1 + len(lengths)] = end + np.cumsum(np.bincount(owner, minlength=len(lengths)))
            row, end = row + len(lengths), end + len(at)
        return SharedRows(csr_matrix((values[:end], columns[:end], starts), shape=shape))

    def _read(self, texts: Sequence[str]) -> Read:
        if not any(isinstance(text, Pair) for text in texts):
            return self._read_texts(texts)
        read = [self._read_pair(text) if isinstance(text, Pair) else self._read_texts([text]) for text in texts]
        return np.concatenate([lengths for lengths, _ in read]), np.concatenate([entries for _, entries in read])

    def _read_texts(self, texts: Sequence[str]) -> Read:
        words = [WORD.findall(text.lower()) for text in texts]
        single = self._hashed(list(chain.from_iterable(words)))
        owner = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(some) for some in words])
        pairs = (single[:-1] * _FIRST) ^ (single[1:] * _SECOND)
        within = owner[:-1] == owner[1:]
        # The text in the higher half, the term in the lower: one sorting does for all texts.
        both = np.concatenate([_after(owner, single), _after(owner[:-1][within], pairs[within])])
        found, counts = np.unique(both, return_counts=True)
        entries = np.empty(len(found), dtype=ENTRY)
        entries["term"], entries["count"] = found & _LOWER, 1 + np.log(counts)
        return np.bincount((found >> _HALF).astype(np.int64), minlength=len(texts)), entries

    def _read_pair(self, pair: Pair) -> Read:
        terms = pair_terms(pair)
        ids, places = np.unique(self._hashed(list(terms)) >> _HALF, return_inverse=True)
        entries = np.empty(len(ids), dtype=ENTRY)
        entries["term"], entries["count"] = ids, np.bincount(places, list(terms.values()))
        return np.array([len(ids)]), entries

    def _hashed(self, words: list[str]) -> NDArray[np.uint64]:
        for word in set(words).difference(self._words):
            digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            self._words[word] = int.from_bytes(digest, "big")
        return np.array([self._words[word] for word in words], dtype=np.uint64)


def _after(owner: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray((owner << _HALF) | (hashes >> _HALF))
