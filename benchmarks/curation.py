"""How fast texts are curated, and in how much room, beside what else finds near duplicates.

    python benchmarks/curation.py
    python benchmarks/curation.py --samples 1000000 --recorded none

Every arm reads the same texts in a process of its own, on one thread; figures are of process time, and of the most
memory it held more than before. All look for near duplicates of pairs of words at a similarity of 0.8, with 12 bands of
5 rows.

memory      `curate.memory.Memory`: exact and near duplicates, each compared exactly, in the order of the texts
curator     the whole: cut, clean, faults, language, demonstrations, and the memory
datasketch  MinHash and MinHashLSH, as its documentation has them: asked, then inserted; nothing is compared exactly
datatrove   its MinHash pipeline, four stages over files in a temporary folder, with a tokeniser that splits at spaces

Texts are those of the scripted engine and, where ``--recorded`` is a folder, the generations recorded there.
"""

import argparse
import gzip
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rows import row, write_rows

THRESHOLD, BANDS, ROWS = 0.8, 12, 5
AT_ONCE = 1024
LABELS = ("negative", "positive")


def scripted(count: int) -> list[str]:
    """Return texts as the scripted engine writes them."""
    from synthgen.plms.engines.scripted import default_script
    from synthgen.records import Request
    from synthgen.seeds import derive_seed

    return [
        default_script(Request(f"r{n}", "opt", 0, LABELS[n % 2], "prompt", derive_seed("curation", n)))
        for n in range(count)
    ]


def recorded(folder: str) -> list[str]:
    """Return the texts of all recorded pools in a folder."""
    found = []
    for path in sorted(Path(folder).glob("*.zeroshot.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["C"] for line in lines]
    return found


def memory(texts: list[str]) -> int:
    """Return how many texts repeat another, by ``Memory``."""
    from synthgen.curate.memory import Memory
    from synthgen.curate.words import words

    held = Memory(THRESHOLD)
    for start in range(0, len(texts), AT_ONCE):
        some = [words(text) for text in texts[start : start + AT_ONCE]]
        held.judge(some, ["label"] * len(some))
    return len(texts) - len(held)


def curator(texts: list[str]) -> int:
    """Return how many texts ``Curator`` rejects, for whatever reason."""
    from synthgen.curate.curator import Curator
    from synthgen.records import Completion, Rejected, Request
    from synthgen.tasks.registry import load_task

    judge = Curator(load_task("imdb"), near_duplicate=THRESHOLD)
    judge.show(texts[:8])
    pairs = (
        (Request(f"r{n}", "opt", 0, LABELS[n % 2], "prompt", n), Completion(f"r{n}", text, "stop", 1, 1))
        for n, text in enumerate(texts)
    )
    return sum(isinstance(verdict, Rejected) for verdict in judge.judge_all(pairs))


def datasketch(texts: list[str]) -> int:
    """Return how many texts MinHashLSH says to resemble one before."""
    from itertools import pairwise

    from datasketch import MinHash, MinHashLSH

    index, repeats = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS)), 0
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=BANDS * ROWS)
        signature.update_batch([" ".join(pair).encode() for pair in pairwise(text.lower().split())])
        if index.query(signature):
            repeats += 1
        else:
            index.insert(number, signature)
    return repeats


def datatrove(texts: list[str]) -> int:
    """Return how many texts the four stages of datatrove's pipeline remove."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import minhash
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.logging import logger
    from datatrove.utils.word_tokenizers import WordTokenizer

    class AtSpaces(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    logger.disable("datatrove")
    kept = 0

    def documents(data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        yield from (Document(text=text, id=str(number)) for number, text in enumerate(texts))

    def counted(data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        nonlocal kept
        for document in data:
            kept += 1
            yield document

    # Its own xxhash wants an xxhash before 4; SHA-1 is what datasketch hashes with too.
    hashed = HashConfig(precision=32, hash_fc="sha1")
    config = minhash.MinhashConfig(n_grams=2, num_buckets=BANDS, hashes_per_bucket=ROWS, hash_config=hashed)
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, removed = (f"{folder}/{name}" for name in ("signatures", "buckets", "removed"))
        stages: list[tuple[int, list[Any]]] = [
            (1, [documents, minhash.MinhashDedupSignature(signatures, config=config, language=AtSpaces())]),
            (BANDS, [minhash.MinhashDedupBuckets(signatures, buckets, config=config)]),
            (1, [minhash.MinhashDedupCluster(buckets, removed, config=config)]),
            (1, [documents, minhash.MinhashDedupFilter(removed), counted]),
        ]
        for number, (tasks, pipeline) in enumerate(stages):
            for rank in range(tasks):
                # In this process, whose time and memory are measured: an executor's own runs copy the pipeline.
                one = LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{folder}/logs{number}")
                one._run_for_rank(rank)
    return len(texts) - kept


ARMS: dict[str, Callable[[list[str]], int]] = {
    "memory": memory,
    "curator": curator,
    "datasketch": datasketch,
    "datatrove": datatrove,
}


def measured(arm: str, source: str, count: int) -> tuple[float, float, int, int]:
    """Return the seconds, the bytes and the rejected of one arm, and how many texts there were; in its own process."""
    texts = recorded(source) if source else scripted(count)
    ARMS[arm](texts[:64])
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    rejected = ARMS[arm](texts)
    spent = time.process_time() - began
    return spent, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held), rejected, len(texts)


def rows_of(what: str, source: str, count: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one kind of texts: ours beside each of the others."""
    found = {}
    for arm in ARMS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found[arm] = process.submit(measured, arm, source, count).result()
    for arm, (spent, room, rejected, total) in found.items():
        figures = {
            "per_second": round(total / spent),
            "bytes_per_text": round(room / total),
            "rejected": rejected,
        }
        said = f"{arm}, {total:,} {what} texts"
        if arm not in ("memory", "curator"):
            yield row("curation", said, **figures)
            continue
        for other in ("datatrove", "datasketch"):
            theirs = found[other]
            beside = f"{other}: {theirs[3] / theirs[0]:.0f}/s"
            yield row("curation", said, **figures, beside=beside, ratio=theirs[0] / spent)
        if arm == "memory":
            theirs = found["datasketch"]
            yield row(
                "curation room",
                said,
                bytes_per_text=round(room / total),
                beside=f"datasketch: {theirs[1] / theirs[3]:.0f} bytes a text",
                ratio=theirs[1] / max(room, 1),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000, help="scripted texts")
    parser.add_argument("--recorded", default="../shared/data/recorded/imdb", help="a folder of pools, or none")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    found = list(rows_of("scripted", "", given.samples))
    if given.recorded != "none" and Path(given.recorded).is_dir():
        found += rows_of("recorded", given.recorded, 0)
    write_rows(given.json, found)


if __name__ == "__main__":
    main()
