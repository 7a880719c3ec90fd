"""The measures of ``docs/pocket.md``."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pocket.corpus import runs
from pocket.sources import words


def copied(texts: Sequence[str], known: set[int]) -> float:
    """Return the share of texts that hold a 13-word run of the training texts."""
    return sum(any(run in known for run in runs(text)) for text in texts) / len(texts)


def agreement(judge: Any, texts: Sequence[str], labels: Sequence[Any]) -> float:
    """Return how often the judge's class is the label asked for."""
    return float(np.mean(judge.predict(list(texts)) == np.array(labels)))


def self_bleu(texts: Sequence[str], sample: int = 150) -> float:
    """Return the mean BLEU-4 of ``sample`` texts, each against all others of the sample (Zhu et al. 2018).

    No brevity penalty; a precision of zero counts as half a hit.
    """
    chosen = random.Random(0).sample(list(texts), min(sample, len(texts)))
    counts = [[_grams(words(text), n) for n in range(1, 5)] for text in chosen]
    scores = []
    for i, own in enumerate(counts):
        logs = []
        for n in range(4):
            total = sum(own[n].values())
            if not total:
                continue
            others = [other[n] for j, other in enumerate(counts) if j != i]
            hits = sum(min(count, max(o[gram] for o in others)) for gram, count in own[n].items())
            logs.append(math.log(max(hits, 0.5) / total))
        scores.append(math.exp(sum(logs) / len(logs)) if logs else 0.0)
    return sum(scores) / len(scores)


def _grams(found: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))


def shown_effect(outputs: np.ndarray, shown: np.ndarray) -> tuple[float, float]:
    """Return (mean, standard error over sets) of cosine to the shown demonstrations minus cosine to other sets'.

    ``outputs`` is (sets, texts, dim), ``shown`` (sets, demonstrations, dim), both of unit vectors.
    """
    sets = len(outputs)
    close = np.einsum("atd,bsd->ab", outputs, shown) / (outputs.shape[1] * shown.shape[1])
    own = np.diag(close)
    other = (close.sum(axis=1) - own) / (sets - 1)
    gain = own - other
    return float(gain.mean()), float(gain.std(ddof=1) / math.sqrt(sets))


def classifier(texts: Sequence[str], labels: Sequence[Any]) -> Any:
    """Return TF-IDF (1-2 words) + logistic regression trained on the texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(vectors, LogisticRegression(C=10, max_iter=500)).fit(list(texts), list(labels))
