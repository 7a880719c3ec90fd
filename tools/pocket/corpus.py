"""Cut the sources into short pieces that carry their label, and find for each its neighbours."""

import hashlib
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pocket.sources import POLARITY, Text, key, read_all, rows, sentences, words

RUN = 13
LEAST_CONFIDENCE = {"cf": 0.66, "mr": 0.5, "fewgen": 0.66, "subj": 0.0, "banking77": 0.0}
NEIGHBOURS = 24


@dataclass(frozen=True, slots=True)
class Piece:
    """A training text. ``confidence`` is the judge's probability of ``label``; ``group`` ties overlapping pieces."""

    text: str
    label: str
    source: str
    family: str
    group: int
    words: int
    sentences: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Corpus:
    """All pieces; ``near`` holds per piece the positions of its nearest pieces, one row block per label class."""

    pieces: list[Piece]
    near: np.ndarray


def load_corpus(data: Path, work: Path) -> Corpus:
    """Return the corpus, built once and kept in ``work``."""
    kept = work / "corpus.pickle"
    if not kept.exists():
        work.mkdir(parents=True, exist_ok=True)
        pieces = build_pieces(data)
        part = kept.with_suffix(".part")
        part.write_bytes(pickle.dumps(Corpus(pieces, _neighbours(pieces))))
        part.replace(kept)
    found: Corpus = pickle.loads(kept.read_bytes())
    return found


def judge(data: Path) -> Any:
    """Return a TF-IDF + logistic regression pipeline trained on the whole of imdb.train; class 1 is positive."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train = list(rows(data / "imdb.train.jsonl.gz"))
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True), LogisticRegression(C=10, max_iter=300)
    )
    return pipeline.fit([row["text"].replace("<br />", " ") for row in train], [int(row["label"]) for row in train])


def build_pieces(data: Path) -> list[Piece]:
    """Read, cut, judge and filter. No piece shares a 13-word run with imdb.test."""
    texts = read_all(data)
    groups = _groups([text for text in texts if text.source == "cf"])
    cut: list[tuple[Text, str, int, int]] = []
    for text in texts:
        group = groups.get(text.doc, 0) if text.source == "cf" else _stable(key(text.text))
        cut.extend((text, piece, count, group) for piece, count in _pieces_of(text))
    first: dict[tuple[str, str], tuple[Text, str, int, int]] = {}
    for item in cut:
        first.setdefault((key(item[1]), item[0].label), item)
    unique = list(first.values())
    banned = _runs_in(data / "imdb.test.jsonl.gz", {run for item in unique for run in runs(item[1])})
    unique = [item for item in unique if not any(run in banned for run in runs(item[1]))]
    positive = judge(data).predict_proba([item[1] for item in unique])[:, 1]
    pieces = [
        Piece(piece, text.label, text.source, text.family, group, len(words(piece)), count, sure)
        for (text, piece, count, group), p in zip(unique, positive, strict=True)
        if (sure := _confidence(text, float(p))) >= LEAST_CONFIDENCE[text.source]
    ]
    return without_stock(pieces)


def without_stock(pieces: list[Piece]) -> list[Piece]:
    """Drop the generated pieces that share a seven-word run with an earlier one: models learn such phrases by heart."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for piece in pieces:
        if piece.source == "fewgen":
            found = grams(piece.text, 7)
            if not found.isdisjoint(seen):
                continue
            seen |= found
        kept.append(piece)
    return kept


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    """Return all runs of ``size`` words, or the whole of a shorter text."""
    found = words(text)
    return {tuple(found[k : k + size]) for k in range(max(1, len(found) - size + 1))}


def runs(text: str) -> list[int]:
    """Return hashes of all 13-word runs of a text."""
    found = words(text)
    return [hash(tuple(found[i : i + RUN])) for i in range(len(found) - RUN + 1)]


def _runs_in(path: Path, wanted: set[int]) -> set[int]:
    return {run for row in rows(path) for run in runs(row["text"].replace("<br />", " ")) if run in wanted}


def _confidence(text: Text, positive: float) -> float:
    if text.family != "imdb":
        return 1.0
    return positive if text.label == POLARITY[1] else 1.0 - positive


def _pieces_of(text: Text) -> list[tuple[str, int]]:
    if text.source != "cf":
        most = 60 if text.family == "imdb" else 50
        return [(text.text, len(sentences(text.text)))] if 3 <= len(words(text.text)) <= most else []
    parts = [part for part in sentences(text.text) if re.search(r"[a-z]", part)]
    found = []
    for start in range(len(parts)):
        for count in range(1, 5):
            piece = " ".join(parts[start : start + count])
            if start + count <= len(parts) and 5 <= len(words(piece)) <= 70 and piece[-1] in ".!?)":
                found.append((piece[0].upper() + piece[1:], count))
    return found


def _groups(texts: list[Text]) -> dict[int, int]:
    """Give the reviews that share an eight-word run (an original and its revision) one group number."""
    parent = {text.doc: text.doc for text in texts}

    def root(doc: int) -> int:
        while parent[doc] != doc:
            parent[doc] = parent[parent[doc]]
            doc = parent[doc]
        return doc

    first: dict[tuple[str, ...], int] = {}
    for text in texts:
        found = words(text.text)
        for i in range(len(found) - 7):
            other = first.setdefault(tuple(found[i : i + 8]), text.doc)
            if other != text.doc:
                parent[root(text.doc)] = root(other)
    return {doc: root(doc) for doc in parent}


def _stable(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) + 10_000


def _neighbours(pieces: list[Piece]) -> np.ndarray:
    """Return (pieces, 2 * NEIGHBOURS): the nearest of the same label, then of any other, by TF-IDF + SVD; -1 = none."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    near = np.full((len(pieces), 2 * NEIGHBOURS), -1, dtype=np.int32)
    for family in ("imdb", "subj", "banking77"):
        where = np.array([i for i, piece in enumerate(pieces) if piece.family == family])
        tfidf = TfidfVectorizer(stop_words="english" if family == "imdb" else None, min_df=3, sublinear_tf=True)
        matrix = tfidf.fit_transform([pieces[i].text for i in where])
        vectors = normalize(TruncatedSVD(64, random_state=0).fit_transform(matrix)).astype(np.float32)
        labels = np.array([pieces[i].label for i in where])
        groups = np.array([pieces[i].group for i in where])
        for start in range(0, len(where), 512):
            block = slice(start, start + 512)
            close = vectors[block] @ vectors.T
            close[groups[block, None] == groups[None, :]] = -9
            same = labels[block, None] == labels[None, :]
            for side, mask in enumerate((same, ~same)):
                ranked = np.where(mask, close, -9)
                top = np.argpartition(-ranked, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
                good = np.take_along_axis(ranked, top, axis=1) > -1
                near[where[block], side * NEIGHBOURS : (side + 1) * NEIGHBOURS] = np.where(good, where[top], -1)
    return near
