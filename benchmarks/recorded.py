"""Recorded generations of the papers' own PLMs, judged by our pipeline: pools, curation, weights, three STMs.

    python benchmarks/recorded.py --stms tfidf --seeds 5
    python benchmarks/recorded.py --stms embedding:MODEL encoder:MODEL --gold-size 2000 --seeds 5
    python benchmarks/recorded.py --table .work/recorded.jsonl

Every pool gives the same number of texts, drawn anew for each seed, both labels equally often; the union gives a sixth
of them from each PLM. Gold is a random part of imdb.test (all of it without --gold-size), read after everything else.
The two published FuseGen sets (six PLMs, 1,000 each) are judged whole. The data's labels are the other way round.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from synthgen.curate.curator import Curator
from synthgen.downstream.bilevel import Bilevel, learn_weights
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import STM
from synthgen.downstream.weights import adjust_weights
from synthgen.evaluate import scores
from synthgen.generate import Order
from synthgen.methods.quotas import turns
from synthgen.pool import Pool, Reserve
from synthgen.records import Sample, Sampling
from synthgen.tasks.gold import Gold
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

PLMS = {
    "gpt2": "gpt2-xl",
    "llama2": "llama-2-7b-chat-hf",
    "vicuna": "vicuna-7b-1.5v",
    "opt": "opt-6.7b",
    "chatglm3": "chatglm3-6b-base",
    "flan-t5": "flan-t5-xl",
}
NAMES = ("positive", "negative")
"""The recorded label ids: the other way round than imdb's."""
WAYS = ("as they are", "curated", "curated, SunGen weights", "curated, weights adjusted")


def read(path: Path, plm: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read one recorded file as a pool."""
    found: dict[tuple[str, str], list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["C"].strip():
                found.setdefault((plm, NAMES[row["Y"]]), []).append(row["C"])
    return {key: tuple(texts) for key, texts in found.items()}


def pools(folder: Path) -> dict[str, Pool]:
    """Return the pool of each PLM, their union, and the two FuseGen sets."""
    zero_shot = {plm: read(folder / f"{file}.zeroshot.jsonl.gz", plm) for plm, file in PLMS.items()}
    found = {plm: Pool(texts, plm, "") for plm, texts in zero_shot.items()}
    found["union"] = Pool({key: texts for one in zero_shot.values() for key, texts in one.items()}, "union", "")
    for seed in (42, 12345):
        sets = [read(folder / f"fusegen_seed{seed}" / f"{file}.jsonl.gz", plm) for plm, file in PLMS.items()]
        found[f"FuseGen {seed}"] = Pool({key: texts for one in sets for key, texts in one.items()}, str(seed), "")
    return found


def take(pool: Pool, total: int | None, task: Task, seed: int, *, curate: bool) -> list[Sample]:
    """Draw ``total`` texts, equally from the pool's PLMs and of the labels; all there are without a total."""
    reserve, curator, samples = Reserve(pool, task, seed), Curator(task, enabled=curate), []
    for place, plm in enumerate(pool.plms):
        count = 10**6 if total is None else total // len(pool.plms)
        quota = turns(task.labels, place, count) if total else dict.fromkeys(task.labels, count)
        samples += reserve.fill(Order(plm, 0, quota, {}, Sampling(stop="")), curator)[0].samples
    return samples


def judge(samples: list[Sample], way: str, stm: STM, task: Task, gold: Gold, seed: int) -> dict[str, float]:
    """Train the STM on the samples, weighted as ``way`` says, and score it."""
    features = stm.start([sample.text for sample in samples])
    labels = np.array([task.label_id(sample.label) for sample in samples])
    weights = None
    if "SunGen" in way:
        weights = learn_weights(stm.fit, features, labels, n_labels=2, seed=seed, settings=Bilevel()).weights
    elif "adjusted" in way:
        weights = adjust_weights(stm.fit, features, labels, n_labels=2)
    return scores([stm.fit(features, labels, weights, n_labels=2)], stm=stm, task=task, gold=gold)[0]


def imdb_test(path: Path, size: int | None) -> Gold:
    """Read imdb.test, or a random part of it (the files are shuffled: a prefix is one)."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:size]
    names = ("negative", "positive")
    return Gold(tuple(row["text"] for row in rows), tuple(names[row["label"]] for row in rows), "file:imdb.test")


def run(given: argparse.Namespace) -> None:
    """Measure what is missing; results are appended a line a fit."""
    import torch

    torch.set_num_threads(1)
    task, found = load_task("imdb"), pools(given.data / "recorded" / "imdb")
    gold = imdb_test(given.data / "imdb.test.jsonl.gz", given.gold_size)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done = {key_of(row) for row in rows(given.out)}
    for spec in given.stms:
        stm = None
        for seed in range(given.seeds):
            if stm is None or spec.startswith("encoder"):
                stm = make_stm(spec, seed=seed, options=json.loads(given.stm_options))
            for name in given.pools or found:
                whole = name.startswith("FuseGen")
                for way in given.ways:
                    row = {"stm": spec, "pool": name, "way": way, "seed": seed, "gold": len(gold)}
                    row["total"] = None if whole else given.total
                    if key_of(row) in done or (whole and seed and not spec.startswith("encoder")):
                        continue
                    samples = take(found[name], row["total"], task, seed, curate=way != WAYS[0])
                    row |= {"samples": len(samples)} | judge(samples, way, stm, task, gold, seed)
                    with given.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Tell rows apart."""
    return tuple(row[name] for name in ("stm", "pool", "way", "seed", "gold", "total"))


def rows(path: Path) -> list[dict[str, Any]]:
    """Read the results so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table for each STM: pools down, ways across, mean and standard deviation."""
    for spec in dict.fromkeys(row["stm"] for row in results):
        own = [row for row in results if row["stm"] == spec]
        ways = [way for way in WAYS if any(row["way"] == way for row in own)]
        kind, colon, model = spec.partition(":")
        yield f"\nSTM `{kind}{colon}{Path(model).name}`, gold: {own[0]['gold']:,} reviews:\n"
        yield "| pool | samples | " + " | ".join(ways) + " |"
        yield "|---" * (len(ways) + 2) + "|"
        for name in dict.fromkeys(row["pool"] for row in own):
            cells = []
            for way in ways:
                values = [row["accuracy"] for row in own if row["pool"] == name and row["way"] == way]
                spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
                cells.append(f"{mean(values):.4f}{spread} ({len(values)})" if values else "–")
            sizes = sorted({row["samples"] for row in own if row["pool"] == name})
            said = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,}–{sizes[-1]:,}"
            yield f"| {name} | {said} | " + " | ".join(cells) + " |"


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--stms", nargs="+", default=["tfidf"])
    parser.add_argument("--stm-options", default="{}", help="JSON")
    parser.add_argument("--pools", nargs="*")
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--total", type=int, default=1200)
    parser.add_argument("--gold-size", type=int)
    parser.add_argument("--out", type=Path, default=Path(".work/recorded.jsonl"))
    parser.add_argument("--table", type=Path, help="only print the tables of these results")
    given = parser.parse_args()
    if given.table is None:
        run(given)
    print("\n".join(table(rows(given.table or given.out))))


if __name__ == "__main__":
    main()
