"""Train the table of the embedder ``words``: ``python tools/train_words.py --data DIR`` (one minute on one core).

Word vectors are the leading left singular vectors of a matrix of positive pointwise mutual information (words within
twenty words of each other, counts of the context to the power 0.75). No label takes part. They are centred and freed of
their common directions, so that the weighted sum of a text's rows is centred too.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pocket.sources import clean, read_all, rows

from synthgen.embedders.words import TABLE, tokens

LEAST_TEXTS = 5
WINDOW = 20
COMMON = 3
LONGEST_WORD = 24
Text = list[str]
Floats = NDArray[np.float64]


def main() -> None:
    """Read, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    texts = read_texts(options.data)
    words, document_counts = vocabulary(texts, options.words)
    idf = np.log(len(texts) / document_counts)
    matrix = information(cooccurrence(texts, words))
    vectors = centred(leading(matrix, options.size), sentences(texts, words, idf**2))
    write(options.out, words, vectors, idf, np.log(len(texts)))
    print(f"{len(texts):,} texts, {len(words):,} words, {options.out.stat().st_size:,} bytes")


def read_texts(data: Path) -> list[Text]:
    """Return the words of the distinct texts of the freely licensed sets, without what stands in a test set."""
    found = [text.text for text in read_all(data)]
    for path in sorted((data / "recorded/fewgen").glob("QNLI.*.jsonl.gz")):
        found.extend(clean(row[field]) for row in rows(path) for field in ("text1", "text2"))
    return [list(words) for words in dict.fromkeys(tuple(tokens(text)) for text in found)]


def vocabulary(texts: list[Text], most: int) -> tuple[dict[str, int], Floats]:
    """Return the words of the most texts, never one of fewer than five, with the number of their texts."""
    counts = Counter(word for text in texts for word in set(text))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    kept = [word for word in ranked if counts[word] >= LEAST_TEXTS and len(word) <= LONGEST_WORD][:most]
    return {word: k for k, word in enumerate(kept)}, np.array([counts[word] for word in kept], dtype=np.float64)


def cooccurrence(texts: list[Text], words: dict[str, int]) -> sparse.csr_matrix:
    """Count the pairs of words of a text, nearer pairs more: 1 for neighbours down to 1/20."""
    places = np.array([words.get(word, -1) for text in texts for word in text])
    owners = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    total = sparse.csr_matrix((len(words), len(words)))
    for gap in range(1, WINDOW + 1):
        left, right = places[:-gap], places[gap:]
        good = (owners[:-gap] == owners[gap:]) & (left >= 0) & (right >= 0)
        value = np.full(int(good.sum()), 1 - (gap - 1) / WINDOW)
        total = total + sparse.coo_matrix((value, (left[good], right[good])), total.shape).tocsr()
    return total + total.T


def information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the positive pointwise mutual information; the columns' counts are raised to the power 0.75."""
    entries = counts.tocoo()
    row, column = (np.maximum(np.asarray(counts.sum(axis=axis)).ravel(), 1e-9) for axis in (1, 0))
    share = column**0.75 / (column**0.75).sum()
    value = np.log(entries.data / (row[entries.row] * share[entries.col]))
    good = value > 0
    return sparse.csr_matrix((value[good], (entries.row[good], entries.col[good])), counts.shape)


def leading(matrix: sparse.csr_matrix, size: int) -> Floats:
    """Return the ``size`` leading left singular vectors (words, size)."""
    from sklearn.utils.extmath import randomized_svd

    left: Floats = randomized_svd(matrix, size + COMMON, n_iter=4, random_state=0)[0]
    return left


def sentences(texts: list[Text], words: dict[str, int], weights: Floats) -> sparse.csr_matrix:
    """Return a row of word weights that add up to 1 for every text that has words."""
    pairs = [(k, words[word]) for k, text in enumerate(texts) for word in text if word in words]
    row, column = np.array(pairs).T
    counts = sparse.coo_matrix((np.ones(len(pairs)), (row, column)), (len(texts), len(words))).tocsr()
    counts = counts.sqrt().multiply(weights).tocsr()
    total = np.asarray(counts.sum(axis=1)).ravel()
    return (sparse.diags(1 / total[total > 0]) @ counts[total > 0]).tocsr()


def centred(vectors: Floats, texts: sparse.csr_matrix) -> Floats:
    """Take the mean of the texts from every word vector, and turn the texts' common directions out of the space."""
    vectors = vectors - (texts @ vectors).mean(axis=0)
    found = texts @ vectors
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    directions = np.linalg.eigh(found.T @ found)[1][:, ::-1]
    kept: Floats = vectors @ directions[:, COMMON:]
    return kept


def write(path: Path, words: dict[str, int], vectors: Floats, idf: Floats, rare: float) -> None:
    """Write the table: rows of eight bits, with their scales in the whole-numbered weights."""
    scale = np.abs(vectors).max(axis=1)
    weights = idf**2 * scale
    np.savez(
        path,
        words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8),
        vectors=np.rint(vectors / scale[:, None] * 127).astype(np.int8),
        weights=np.rint(weights / weights.max() * 65_000).astype(np.uint16),
        idf=np.rint(64 * idf).astype(np.uint16),
        rare=np.uint16(round(64 * rare)),
    )


if __name__ == "__main__":
    main()
