"""Measure embedders: ``python tools/measure_embedders.py --data DIR [MODEL ...]`` writes a column for each.

``words`` is measured whole, as word vectors alone and as hashed wording alone; MODEL is a sentence-transformers Hub id
or folder (five minutes on one core).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pocket.sources import key, rows

from synthgen.embedders.base import Embedder
from synthgen.embedders.registry import make_embedder
from synthgen.embedders.words import WordsEmbedder

PLMS = ("chatglm3-6b-base", "flan-t5-xl", "gpt2-xl", "llama-2-7b-chat-hf", "opt-6.7b", "vicuna-7b-1.5v")
Array = NDArray[Any]


def main() -> None:
    """Measure each embedder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    options = parser.parse_args()
    sets = read_sets(options.data)
    embedders: dict[str, Embedder] = {
        "words": WordsEmbedder(),
        "word vectors alone": WordsEmbedder(wording=0.0),
        "hashed wording alone": WordsEmbedder(wording=1.0),
        **{model: make_embedder(model) for model in options.models},
    }
    columns = [measure(embedder, sets) for embedder in embedders.values()]
    print("| |" + "".join(f" {name} |" for name in embedders) + "\n|---|" + "---|" * len(embedders))
    for name in columns[0]:
        print(f"| {name} |" + "".join(f" {column[name]:.3f} |" for column in columns))


def read_sets(data: Path) -> dict[str, tuple[list[str], Array]]:
    """Return texts and labels by name. ``private`` are imdb reviews that had no part in the training of ``words``."""

    def read(name: str, most: int | None = None) -> tuple[list[str], Array]:
        read_rows = list(rows(data / f"{name}.jsonl.gz"))[:most]
        texts = [row["text"].replace("<br />", " ") for row in read_rows]
        return texts, np.array([int(row["label"]) for row in read_rows])

    used = {key(row["text"]) for row in rows(data / "imdb_counterfactual.train.jsonl.gz")}
    reviews = [row for row in list(rows(data / "imdb.train.jsonl.gz"))[:1800] if key(row["text"]) not in used][:1000]
    pool: list[dict[str, Any]] = []
    for plm in PLMS:
        found: dict[str, dict[str, Any]] = {}
        for row in rows(data / f"recorded/imdb/{plm}.zeroshot.jsonl.gz"):
            found.setdefault(row["C"], row)
        pool += [row for text, row in found.items() if len(text.split()) >= 5][:500]
    return {
        "private": ([row["text"].replace("<br />", " ") for row in reviews], np.array([r["label"] for r in reviews])),
        "pool": ([row["C"] for row in pool], np.array([1 - row["Y"] for row in pool])),
        "mr": read("mr.train", 4000),
        "mr test": read("mr.test", 1000),
        "banking": read("banking77.train"),
        "banking test": read("banking77.test"),
        "yelp": read("yelp_category.train", 2500),
        "yelp test": read("yelp_category.test", 800),
        "yelp sentences": read("yelp_sentences.train", 1500),
    }


def measure(embedder: Embedder, sets: dict[str, tuple[list[str], Array]]) -> dict[str, float]:
    """Return the figures of one embedder."""
    at = {name: embedder.encode(texts) for name, (texts, _) in sets.items()}
    labels = {name: labels for name, (_, labels) in sets.items()}
    few = {name: at[name][labels[name] < 10] for name in ("banking", "banking test")}
    few_labels = {name: labels[name][labels[name] < 10] for name in few}
    both = np.concatenate([at["pool"], at["yelp sentences"]])
    films = np.arange(len(both)) < len(at["pool"])
    by_class = [hubs(at["private"][labels["private"] == c], at["pool"][labels["pool"] == c]) for c in (0, 1)]
    return {
        "imdb review: label of the nearest recorded text": vote(at, labels, "private", "pool", 1),
        "mr, 5 neighbours": vote(at, labels, "mr test", "mr", 5),
        "banking77, 1 neighbour": vote(at, labels, "banking test", "banking", 1),
        "its first ten classes": vote(few, few_labels, "banking test", "banking", 1),
        "yelp category, 5 neighbours": vote(at, labels, "yelp test", "yelp", 5),
        "imdb review: neighbours about films": float(films[nearest(at["private"], both, 10)].mean()),
        "yelp review: neighbours from yelp": float((~films)[nearest(at["yelp test"], both, 10)].mean()),
        "imdb halves find each other": halves(embedder, sets["private"][0]),
        "yelp halves find each other": halves(embedder, sets["yelp test"][0]),
        "hubness: skewness": float(np.mean([skewness for skewness, _, _ in by_class])),
        "hubness: share of the reviews at the largest hub": float(np.mean([largest for _, largest, _ in by_class])),
        "hubness: recorded texts never found": float(np.mean([never for _, _, never in by_class])),
    }


def nearest(queries: Array, pool: Array, count: int) -> Array:
    """Return the positions of the ``count`` nearest of the pool, best first."""
    return np.argsort(-(queries @ pool.T), axis=1, kind="stable")[:, :count]


def vote(at: dict[str, Array], labels: dict[str, Array], queries: str, pool: str, count: int) -> float:
    """Return the accuracy of the nearest neighbours' majority; the nearest one decides ties."""
    found = labels[pool][nearest(at[queries], at[pool], count)]
    ballots = np.stack(
        [(found == label).sum(axis=1) + 0.5 * (found[:, 0] == label) for label in range(found.max() + 1)]
    )
    return float((ballots.argmax(axis=0) == labels[queries]).mean())


def hubs(queries: Array, pool: Array) -> tuple[float, float, float]:
    """Return skewness of how often a pool text is among the ten nearest, the largest share, and the share of none."""
    counts = np.bincount(nearest(queries, pool, 10).ravel(), minlength=len(pool)).astype(float)
    off = counts - counts.mean()
    return float((off**3).mean() / counts.std() ** 3), float(counts.max() / len(queries)), float((counts == 0).mean())


def halves(embedder: Embedder, texts: list[str]) -> float:
    """Return the mean reciprocal rank of a text's second half, asked for with its first."""
    split = [words for words in map(str.split, texts) if len(words) >= 40]
    first = embedder.encode([" ".join(words[: len(words) // 2]) for words in split])
    second = embedder.encode([" ".join(words[len(words) // 2 :]) for words in split])
    close = first @ second.T
    return float((1 / (close >= np.diag(close)[:, None]).sum(axis=1)).mean())


if __name__ == "__main__":
    main()
