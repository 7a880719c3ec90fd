"""How varied texts are: self-BLEU, vocabulary, distinct n-grams, repeats."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.memory import Memory
from synthgen.curate.reasons import Reason
from synthgen.curate.words import words

SAMPLE = 1000
"""Texts that self-BLEU and distinct n-grams look at: both depend on how many there are (ZeroGen takes as many)."""
RUNNING_WORDS = 10_000
ORDERS = 5
NEAR_DUPLICATE = 0.8
AT_ONCE = 1024
"""Texts whose words are in memory at once."""
_SHUFFLES = 10
_EPSILON = 0.1
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:['’][^\W_]+)*|\S")


class Counted:
    """What of the words of texts is kept as they stream past: how many each has, and the different ones of all."""

    def __init__(self) -> None:
        self.lengths = array("q")
        self.types: set[str] = set()

    def add(self, tokens: Sequence[str]) -> None:
        """Count the words of one more text."""
        self.lengths.append(len(tokens))
        self.types.update(tokens)


class Repeats:
    """How many texts repeat an earlier one, in the order in which they are given, as curation would find."""

    def __init__(self) -> None:
        self._memory = Memory(NEAR_DUPLICATE)
        self._found: Counter[Reason | None] = Counter()

    def add(self, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
        """Look at the words of some more texts."""
        self._found.update(self._memory.judge(texts, labels))

    def shares(self) -> dict[str, float]:
        """Return the shares of all texts; see ``repeats``."""
        total, kinds = self._found.total(), (Reason.DUPLICATE, Reason.TWO_LABELS, Reason.NEAR_DUPLICATE)
        names = ("duplicates", "two_labels", "near_duplicates")
        return {name: self._found[kind] / total for name, kind in zip(names, kinds, strict=True)}


def diversity(texts: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of ``texts``, of which there must be at least two; docs/quality.md explains each.

    ``self_bleu`` (1 to 5, as a list) and ``distinct`` (1 and 2) are of ``sampled`` texts drawn by ``seed``.
    ``types_per_10k`` is None where the texts have fewer running words.
    """
    counted = Counted()
    for text in texts:
        counted.add(words(text))
    return diversity_of(counted, texts.__getitem__, seed=seed)


def diversity_of(counted: Counted, text: Callable[[int], str], *, seed: int) -> dict[str, Any]:
    """Return ``diversity`` of texts that have been counted; of ``text``, by row, some thousand are asked for."""
    rng = np.random.default_rng(seed)
    lengths = np.array(counted.lengths, dtype=np.int64)
    drawn = [text(row) for row in np.sort(rng.permutation(len(lengths))[:SAMPLE]).tolist()]
    split = [words(one) for one in drawn]
    return {
        "sampled": len(drawn),
        "self_bleu": self_bleu([bleu_tokens(one) for one in drawn]),
        "distinct": [_distinct(split, order) for order in (1, 2)],
        "types": len(counted.types),
        "types_per_10k": _types_in_running_words(lengths, text, rng),
        "mean_words": float(np.mean(lengths)),
    }


def repeats(texts: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Return the shares of texts that repeat an earlier one, in the given order, as curation would find.

    ``duplicates``: the same words under the same label, case and punctuation aside; ``two_labels``: under another
    label; ``near_duplicates``: neither, but with a Jaccard similarity of word pairs of at least 0.8.
    """
    found = Repeats()
    for begin in range(0, len(texts), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        found.add([words(text) for text in texts[part]], labels[part])
    return found.shares()


def bleu_tokens(text: str) -> list[str]:
    """Return words and signs of a text as they stand: case and punctuation count."""
    return _TOKEN.findall(text)


def self_bleu(texts: Sequence[Sequence[str]], orders: int = ORDERS) -> list[float]:
    """Return the mean BLEU-1, ..., BLEU-``orders`` of each tokenised text against all others, 0 (varied) to 1.

    Equal to nltk's ``sentence_bleu`` with uniform weights and smoothing method 1 (Chen & Cherry 2014). An n-gram is
    clipped at its greatest count in another text: of each n-gram the two greatest counts suffice to know that for
    every text. Raises ``ValueError`` for fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError("self-BLEU compares a text with others: it needs at least two")
    codes, lengths = _coded(texts)
    owner = np.repeat(np.arange(len(texts)), lengths)
    logs = np.zeros(len(texts))
    penalty, silent, scores, grams = _brevity(lengths), np.zeros(len(texts), dtype=bool), [], codes
    for order in range(1, orders + 1):
        starts = np.flatnonzero(owner[: max(len(owner) - order + 1, 0)] == owner[order - 1 :])
        if order > 1:
            grams = _longer(grams, codes, starts, order)
        matched = _clipped(grams[starts], owner[starts], len(texts))
        if order == 1:
            silent = matched == 0
        logs += np.log(np.where(matched > 0, matched, _EPSILON) / np.maximum(lengths - order + 1, 1))
        scores.append(float(np.where(silent, 0.0, penalty * np.exp(logs / order)).mean()))
    return scores


def _coded(texts: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all tokens as numbers, one text after the other, and the texts' lengths."""
    places: dict[str, int] = {}
    codes = [places.setdefault(token, len(places)) for text in texts for token in text]
    return np.array(codes, dtype=np.int64), np.array([len(text) for text in texts], dtype=np.int64)


def _longer(
    shorter: NDArray[np.int64], codes: NDArray[np.int64], starts: NDArray[np.int64], order: int
) -> NDArray[np.int64]:
    """Return, by position, a number for the n-gram that starts there, from the numbers of those one shorter."""
    grams = np.zeros_like(codes)
    keys = shorter[starts] * (codes.max(initial=0) + 1) + codes[starts + order - 1]
    grams[starts] = np.unique(keys, return_inverse=True)[1]
    return grams


def _clipped(grams: NDArray[np.int64], owner: NDArray[np.int64], texts: int) -> NDArray[np.int64]:
    """Return for each text how many of its n-grams stand in another one, each at most as often as it does there."""
    keys, counts = np.unique(grams * texts + owner, return_counts=True)
    gram, text = np.divmod(keys, texts)
    order = np.lexsort((-counts, gram))
    gram, text, counts = gram[order], text[order], counts[order]
    first = np.searchsorted(gram, gram)
    runner_up = np.where(np.append(gram[1:], -1) == gram, np.append(counts[1:], 0), 0)
    elsewhere = np.where(first == np.arange(len(gram)), runner_up, counts[first])
    return np.bincount(text, np.minimum(counts, elsewhere), minlength=texts).astype(np.int64)


def _brevity(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the brevity penalties against the text whose length is closest; of two the shorter one."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(np.float64)
    below = np.concatenate([[-np.inf], ranked[:-1]])
    above = np.concatenate([ranked[1:], [np.inf]])
    closest = np.empty(len(lengths))
    closest[order] = np.where(ranked - below <= above - ranked, below, above)
    return np.where(lengths > closest, 1.0, np.exp(1 - closest / np.maximum(lengths, 1)))


def _distinct(split: Sequence[Sequence[str]], order: int) -> float:
    grams = [gram for tokens in split for gram in (tokens if order == 1 else pairwise(tokens))]
    return len(set(grams)) / max(len(grams), 1)


def _types_in_running_words(
    lengths: NDArray[np.int64], text: Callable[[int], str], rng: np.random.Generator
) -> float | None:
    if lengths.sum() < RUNNING_WORDS:
        return None
    found = []
    for _ in range(_SHUFFLES):
        order = rng.permutation(len(lengths))
        enough = int(np.searchsorted(np.cumsum(lengths[order]), RUNNING_WORDS)) + 1
        shuffled = chain.from_iterable(words(text(row)) for row in order[:enough].tolist())
        found.append(len(set(islice(shuffled, RUNNING_WORDS))))
    return float(np.mean(found))
