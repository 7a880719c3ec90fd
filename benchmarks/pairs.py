"""What the STM tfidf makes of two sentences, beside what it makes of the same two as one text.

    python benchmarks/pairs.py --data ../shared/data

joined: words and word pairs of both sentences, one text. pair: the terms of synthgen.downstream.pairs. without X: pair,
less a kind of terms. Accuracies: by cross-validation on the training file alone, 3 folds, trained on all of the other
two and on 500 of them; with `--test` also on the test file, trained on the training file and on recorded synthetic
samples. The terms were chosen by the first two.
"""

import argparse
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from synthgen.downstream.pairs import pair_terms
from synthgen.downstream.stm import IntArray
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.text import Pair

LABELS = {
    "qnli": ("entailment", "not_entailment"),
    "mnli": ("entailment", "neutral", "contradiction"),
    "rte": ("entailment", "not_entailment"),
}
KINDS = {
    "first": ("first:",),
    "second": ("second:",),
    "added": ("added:",),
    "overlap": ("found:", "known:", "both:", "new:"),
    "negation": ("negation:",),
    "numbers": ("numbers:",),
    "question": (),
}
FOLDS, FEW = 3, 500
Data = tuple[list[Pair], IntArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--test", action="store_true", help="measure on the test files too")
    given = parser.parse_args()
    for name in LABELS:
        train = read(given.data / f"{name}.train.jsonl.gz", name)
        for arm in ["joined", "pair", *(f"without {kind}" for kind in KINDS)]:
            with patch("synthgen.downstream.tfidf.pair_terms", terms_without(arm.removeprefix("without "))):
                found = [validated(train, arm, few) for few in (None, FEW)]
                if given.test and arm in {"joined", "pair"}:
                    test = read(given.data / f"{name}.test.jsonl.gz", name)
                    pool = read(given.data / "recorded" / "supergen" / f"{name.upper()}.jsonl.gz", name)
                    found += [accuracy(train, test, arm), accuracy(pool, test, arm)]
            print(f"{name:5} {arm:18}", *(f"{value:.4f}" for value in found), flush=True)


def read(path: Path, task: str) -> Data:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    ids = [LABELS[task].index(row["label"]) if isinstance(row["label"], str) else row["label"] for row in rows]
    first, second = ("text", "text_pair") if "text" in rows[0] else ("text1", "text2")
    return [Pair(row[first], row[second]) for row in rows], np.array(ids)


def terms_without(kind: str) -> Callable[[Pair], dict[str, float]]:
    def terms(pair: Pair) -> dict[str, float]:
        return {term: worth for term, worth in pair_terms(pair).items() if not dropped(term)}

    def dropped(term: str) -> bool:
        return "? " in term if kind == "question" else term.startswith(KINDS.get(kind, ("no such",)))

    return terms


def validated(train: Data, arm: str, few: int | None) -> float:
    pairs, labels = train
    order = np.random.default_rng(0).permutation(len(labels))
    found = []
    for fold in range(FOLDS):
        rest = np.concatenate([order[other::FOLDS] for other in range(FOLDS) if other != fold])[:few]
        held = order[fold::FOLDS]
        found.append(accuracy(picked(pairs, labels, rest), picked(pairs, labels, held), arm))
    return float(np.mean(found))


def picked(pairs: Sequence[Pair], labels: IntArray, rows: IntArray) -> Data:
    return [pairs[row] for row in rows], labels[rows]


def accuracy(train: Data, test: Data, arm: str) -> float:
    stm = TfidfSTM()
    start, other = ([str(pair) for pair in pairs] if arm == "joined" else pairs for pairs in (train[0], test[0]))
    fit = stm.fit(stm.start(start), train[1], n_labels=int(train[1].max()) + 1)
    return float((fit.predict_proba(stm.features(other)).argmax(axis=1) == test[1]).mean())


if __name__ == "__main__":
    main()
