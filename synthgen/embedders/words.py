"""The offline embedder ``words``: trained word vectors for the topic, hashed words and word pairs for the wording."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from synthgen.embedders.base import Rows

TABLE = Path(__file__).with_name("words.npz")
# Share of the squared length that the wording has; docs/embedders.md has the measurements.
WORDING = 0.4
WORDING_SIZE = 256
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_GRID = 2.0**20
_CHUNK = 256


class Table(NamedTuple):
    """What training leaves. ``vectors`` (w, 128) int8; ``weights`` (w,) idf squared times the row's scale, whole
    numbers; ``idf`` (w,) in 1/64 of a natural logarithm; ``rare`` the idf of words that are not in the table.
    """

    words: dict[str, int]
    vectors: NDArray[np.float64]
    weights: NDArray[np.int64]
    idf: NDArray[np.int64]
    rare: int


class WordsEmbedder:
    """Rows of 384 numbers: 128 of trained word vectors, 256 of hashed words and word pairs.

    Everything up to the last division is arithmetic on whole numbers that float64 holds exactly (below 2^53 for texts
    of less than 2^26 words), so a text has the same float32 row on any machine, in any company and in any order:
    ``alone`` changes nothing. (Words are split by Python's Unicode tables; only letters newer than those could differ
    between versions of Python.) No text is kept. ``wording`` is the hashed part's share of the squared length.
    """

    name = "words"

    def __init__(self, *, wording: float = WORDING) -> None:
        self._table = load_table()
        self._share = wording

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> Rows:
        """Return unit rows (n, 384); ``alone`` makes no difference."""
        rows = np.empty((len(texts), self._table.vectors.shape[1] + WORDING_SIZE), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            rows[start : start + _CHUNK] = self._chunk(texts[start : start + _CHUNK])
        return rows

    def _chunk(self, texts: Sequence[str]) -> Rows:
        split = [tokens(text) for text in texts]
        topic = _unit(self._topic(split))
        wording = _unit(self._wording(split))
        has_topic, has_wording = topic.any(axis=1, keepdims=True), wording.any(axis=1, keepdims=True)
        share = np.where(has_topic, np.where(has_wording, self._share, 0.0), 1.0)
        rows = np.hstack([np.sqrt(1 - share) * topic, np.sqrt(share) * wording])
        # Signs of different words can cancel; a row must still have a direction.
        rows[~(has_topic | has_wording).ravel(), 0] = 1.0
        return rows.astype(np.float32)

    def _topic(self, split: list[list[str]]) -> NDArray[np.float64]:
        table = self._table
        counts = [Counter(table.words[word] for word in words if word in table.words) for words in split]
        weights = [[int(table.weights[k]) * _root(n) for k, n in count.items()] for count in counts]
        matrix = _sparse([list(count) for count in counts], weights, len(table.words))
        found: NDArray[np.float64] = matrix @ table.vectors
        return found

    def _wording(self, split: list[list[str]]) -> NDArray[np.float64]:
        found = np.zeros((len(split), WORDING_SIZE))
        grams = [self._grams(words) for words in split]
        distinct = list(dict.fromkeys(gram for row in grams for gram in row))
        block = 1 << 15
        for start in range(0, len(distinct), block):
            place = {gram: k for k, gram in enumerate(distinct[start : start + block])}
            kept = [[(place[gram], weight) for gram, weight in row.items() if gram in place] for row in grams]
            matrix = _sparse([[k for k, _ in row] for row in kept], [[w for _, w in row] for row in kept], len(place))
            found += matrix @ _signs(list(place))
        return found

    def _grams(self, words: list[str]) -> dict[str, int]:
        """Return the words, pairs and (of unknown words) letter triples of a text with their weights."""
        idf = {word: self._idf(word) for word in dict.fromkeys(words)}
        weights = {word: 4 * idf[word] * _root(n) for word, n in Counter(words).items()}
        for (one, two), n in Counter(pairwise(words)).items():
            weights[f"{one} {two}"] = (idf[one] + idf[two]) * _root(n)
        triples: Counter[str] = Counter()
        for word in idf:
            if word not in self._table.words and len(word) > 3:
                triples.update(word[k : k + 3] for k in range(len(word) - 2))
        weights |= {f" {triple}": 2 * self._table.rare * _root(n) for triple, n in triples.items()}
        return weights

    def _idf(self, word: str) -> int:
        place = self._table.words.get(word)
        return self._table.rare if place is None else int(self._table.idf[place])


def tokens(text: str) -> list[str]:
    """Return the lower-case words of a text; of a text without words its characters, of an empty one ``[""]``."""
    lower = text.lower().replace("\u2019", "'")
    return _WORD.findall(lower) or [sign for sign in lower if not sign.isspace()] or [""]


@cache
def load_table() -> Table:
    """Read the table that ships beside this module; ``tools/train_words.py`` writes it."""
    with np.load(TABLE, allow_pickle=False) as kept:
        words = bytes(kept["words"]).decode().split("\n")
        return Table(
            {word: k for k, word in enumerate(words)},
            kept["vectors"].astype(np.float64),
            kept["weights"].astype(np.int64),
            kept["idf"].astype(np.int64),
            int(kept["rare"]),
        )


def _root(count: int) -> int:
    """Return 16 times the square root of a count, rounded down: whole numbers are the same everywhere."""
    return math.isqrt(256 * count)


def _signs(grams: list[str]) -> NDArray[np.float64]:
    """Return a fixed random row of signs for every gram."""
    size = WORDING_SIZE // 8
    drawn = b"".join(
        hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=size).digest() for gram in grams
    )
    bits = np.unpackbits(np.frombuffer(drawn, dtype=np.uint8)).reshape(len(grams), WORDING_SIZE)
    return np.where(bits > 0, 1.0, -1.0)


def _sparse(columns: list[list[int]], values: list[list[int]], width: int) -> csr_matrix:
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.array([value for row in values for value in row], dtype=np.float64)
    return csr_matrix(
        (flat, np.array([k for row in columns for k in row], dtype=np.int64), ends), (len(columns), width)
    )


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows of whole numbers to length 1, rows of zeros excepted.

    They are first rounded to a grid so coarse that the sum of squares is exact in float64 in any order of summation.
    """
    most = np.abs(rows).max(axis=1, keepdims=True)
    whole = np.rint(rows / np.where(most > 0, most, 1.0) * _GRID)
    length = np.sqrt(np.square(whole).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = whole / np.where(length > 0, length, 1.0)
    return unit
