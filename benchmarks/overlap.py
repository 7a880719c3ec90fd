"""How well noised votes of 100 private reviews find the demonstrations that the noiseless votes would choose.

    python benchmarks/overlap.py --draws 50

The synthetic samples are the recorded zero-shot pools of six PLMs, 180 each as in WASP's first round; the private
reviews are drawn anew for every draw, with new noise. All arms keep the same (epsilon, delta) over four rounds:

published   two histograms, the published sigma, divided by their noisy sum, which may be negative
two         two histograms, exact sigma
signed      one histogram, nearest minus furthest, exact sigma
near        the histogram of the nearest alone, exact sigma
sum         the sum of the private embeddings a label, released once for all rounds; a fifth of the budget is left
            over for the PLM weights. A sample's score is its dot product with the sum
smoothed    the same release, read with `synthgen.privacy.smoothing`

overlap: how many of the 8 chosen are among the 8 with the most noiseless votes. population: nearest minus furthest
votes that the chosen 8 get from other real reviews, in per cent of the best possible 8. cosine: mean cosine of the
chosen 8 to those reviews. Means and standard errors over draws and labels.
"""

import argparse
import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgen.embedders.registry import make_embedder
from synthgen.privacy.accounting import gaussian_sigma
from synthgen.privacy.noise import SeededSource, add_gaussian
from synthgen.privacy.sensitivity import histogram_sensitivity
from synthgen.privacy.smoothing import closeness
from synthgen.privacy.voting import SCALE, Voting, quantised

PLMS = ("gpt2-xl", "llama-2-7b-chat-hf", "vicuna-7b-1.5v", "opt-6.7b", "flan-t5-xl", "chatglm3-6b-base")
DELTA, ROUNDS, VOTES, SHOWN = 1e-5, 4, 8, 8
PRIVATE, CANDIDATES = 100, 2000
WEIGHTS_SHARE = 0.2

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Label:
    """One label: its synthetic samples (n, d), quantised; candidates to draw private reviews from; all others."""

    samples: Rows
    candidates: Rows
    voting: Voting
    population: Floats
    cosine: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--draws", type=int, default=20, help="private sets drawn, for each label and epsilon")
    parser.add_argument("--embedder", default="words", help="words, or a sentence-transformers model")
    parser.add_argument("--pool", type=int, default=180, help="synthetic samples of each PLM")
    parser.add_argument("--population", type=int, default=4000, help="other real reviews")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[1.0, 4.0, 8.0])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    labels = [
        prepared(given.data, given.embedder, positive, given.pool // 2, given.population // 2)
        for positive in (True, False)
    ]
    for epsilon in given.epsilon:
        report(epsilon, measured(labels, epsilon, given.draws, given.seed), given.draws * len(labels))


def rows_of(path: Path) -> Iterator[dict[str, str | int]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def prepared(data: Path, embedder: str, positive: bool, pool: int, population: int) -> Label:
    encode = make_embedder(embedder).encode
    texts: list[str] = []
    for plm in PLMS:
        # In the recorded pools 0 is positive.
        own = (
            str(row["C"])
            for row in rows_of(data / f"recorded/imdb/{plm}.zeroshot.jsonl.gz")
            if (row["Y"] == 0) == positive
        )
        texts += list(dict.fromkeys(text for text in own if text.strip()))[:pool]
    real = list(
        dict.fromkeys(
            str(row["text"]) for row in rows_of(data / "imdb.train.jsonl.gz") if (row["label"] == 1) == positive
        )
    )
    samples = quantised(encode(texts))
    reviews = quantised(encode(real[: CANDIDATES // 2 + population]))
    candidates, others = reviews[: CANDIDATES // 2], reviews[CANDIDATES // 2 :]
    near, far = voted(others, samples).histograms()
    cosine = samples.astype(np.float64) @ others.astype(np.float64).mean(axis=0) / SCALE**2
    return Label(samples, candidates, voted(candidates, samples), near - far, cosine)


def voted(private: Rows, samples: Rows) -> Voting:
    voting = Voting(private, np.zeros(len(private), dtype=int), votes=VOTES)
    voting.add(samples, np.zeros(len(samples), dtype=int))
    return voting


def measured(labels: list[Label], epsilon: float, draws: int, seed: int) -> dict[str, list[tuple[float, ...]]]:
    draw, source = np.random.default_rng(seed), SeededSource(seed)
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for label in labels:
        best = label.population[top(label.population)].sum()
        for _ in range(draws):
            rows = draw.permutation(len(label.candidates))[: PRIVATE // len(labels)]
            truth = set(top(label.voting.histograms_of(rows)[0]))
            for arm, scores in released(label, rows, epsilon, source).items():
                chosen = top(scores)
                value, cosine = label.population[chosen].sum() / best, label.cosine[chosen].mean()
                found[arm].append((len(truth & set(chosen)), 100 * value, cosine))
    return found


def released(label: Label, rows: NDArray[np.int64], epsilon: float, source: SeededSource) -> dict[str, Floats]:
    """Return the good scores (n,) of every arm."""

    def noised(values: Floats, sigma: float) -> Floats:
        return add_gaussian(values, sigma, source)[0]

    def exact(sensitivity: float, releases: int = ROUNDS) -> float:
        return gaussian_sigma(epsilon, DELTA, sensitivity=sensitivity, releases=releases)

    near, far = label.voting.histograms_of(rows)
    published = noised(near, 4 * math.sqrt(2 * math.log(1.25 / DELTA) * ROUNDS) / epsilon)
    # A row has length 1 and was rounded by at most half a unit in each number.
    longest = SCALE + math.sqrt(label.samples.shape[1]) / 2
    sigma = exact(longest / math.sqrt(1 - WEIGHTS_SHARE), releases=1)
    total = noised(label.candidates[rows].astype(np.float64).sum(axis=0), sigma)
    return {
        "published": published / published.sum(),
        "two": noised(near, exact(histogram_sensitivity(VOTES, design="two", adjacency="add-remove"))),
        "signed": noised(near - far, exact(histogram_sensitivity(VOTES, design="signed", adjacency="add-remove"))),
        "near": noised(near, exact(histogram_sensitivity(VOTES, design="near", adjacency="add-remove"))),
        "sum": label.samples.astype(np.float64) @ total,
        "smoothed": closeness(total, sigma, label.samples),
    }


def top(scores: Floats) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")[:SHOWN]


def report(epsilon: float, found: dict[str, list[tuple[float, ...]]], trials: int) -> None:
    print(f"epsilon {epsilon:g}, {trials} trials")
    for arm, values in found.items():
        mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / math.sqrt(len(values))
        print(
            f"  {arm:<10} overlap {mean[0]:.2f} ± {error[0]:.2f} of {SHOWN}"
            f"   population {mean[1]:5.1f} ± {error[1]:.1f} %   cosine {mean[2]:.4f} ± {error[2]:.4f}"
        )


if __name__ == "__main__":
    main()
