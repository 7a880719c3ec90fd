"""Which recorded generations overlap imdb.test: `overlaps`, beside what one would write without it.

    python benchmarks/decontamination.py

overlaps   runs of 13 words (short texts as wholes) and near duplicates, exact
sets       runs of 13 words alone: Python sets of tuples, the samples' in memory, the others' looked up
minhash    near duplicates alone: datasketch's MinHash LSH, 64 permutations, at the same threshold, as curation has it

Each runs in a process of its own, on one thread. Seconds of process time, after the texts were read; the memory is
the peak above what the process held with all texts read.
"""

import argparse
import gzip
import json
import multiprocessing
import random
import resource
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

from datasketch import MinHash, MinHashLSH

from synthgen.curate.overlap import overlaps
from synthgen.curate.words import words

PLMS = ("gpt2-xl", "llama-2-7b-chat-hf", "vicuna-7b-1.5v", "opt-6.7b", "chatglm3-6b-base", "flan-t5-xl")
RUN, NEAR = 13, 0.8


def ours(samples: list[str], others: list[str]) -> str:
    """Return what `overlaps` finds."""
    found = overlaps(samples, iter(others), run=RUN, near=NEAR)
    return f"{len(found.run)} by run, {len(found.near)} near"


def sets(samples: list[str], others: list[str]) -> str:
    """Return the samples that share a run, by sets of tuples."""
    own = [runs(words(text)) for text in samples]
    known = set().union(*own)
    met: set[tuple[str, ...]] = set()
    for text in others:
        met |= known & runs(words(text))
    return f"{sum(not run.isdisjoint(met) for run in own)} by run"


def runs(tokens: list[str]) -> set[tuple[str, ...]]:
    """Return the runs of words of one text."""
    return set(zip(*(tokens[start:] for start in range(RUN)), strict=False))


def minhash(samples: list[str], others: list[str]) -> str:
    """Return the samples that MinHash proposes as near duplicates."""
    index = MinHashLSH(threshold=NEAR, num_perm=64)
    for row, text in enumerate(samples):
        index.insert(row, signature(text))
    return f"{len({row for text in others for row in index.query(signature(text))})} proposed"


def signature(text: str) -> MinHash:
    """Return the MinHash of a text's word pairs."""
    tokens, made = words(text), MinHash(num_perm=64, seed=1)
    made.update_batch([" ".join(pair).encode() for pair in pairwise(tokens)])
    return made


def timed(find: Callable[[list[str], list[str]], str], samples: list[str], others: list[str], out: Connection) -> None:
    """Send what is found, the seconds, and the MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = find(samples, others)
    seconds = time.process_time() - began
    out.send((found, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024))


def column(path: Path, name: str) -> list[str]:
    """Read one column of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)[name] for line in lines]


def main() -> None:
    """Measure all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--samples", type=int, nargs="+", default=[6000, 60000])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    others = column(given.data / "imdb.test.jsonl.gz", "text")
    pool = [text for plm in PLMS for text in column(given.data / f"recorded/imdb/{plm}.zeroshot.jsonl.gz", "C")]
    random.Random(given.seed).shuffle(pool)
    print("| samples | others | by | seconds | MiB | found |\n|---:|---:|---|---:|---:|---|")
    # A forked process shares the texts, so that only what the search takes is counted.
    forked = multiprocessing.get_context("fork")
    for count in given.samples:
        for name, find in (("overlaps", ours), ("sets", sets), ("minhash", minhash)):
            received, sent = forked.Pipe(duplex=False)
            forked.Process(target=timed, args=(find, pool[:count], others, sent)).start()
            found, seconds, memory = received.recv()
            print(f"| {count} | {len(others)} | {name} | {seconds:.1f} | {memory} | {found} |", flush=True)


if __name__ == "__main__":
    main()
