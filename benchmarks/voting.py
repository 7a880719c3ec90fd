"""Private votes at scale, beside a bare matrix product, FAISS, scikit-learn and a loop over private samples.

    python benchmarks/voting.py            # 10,000 private x 1,000,000 synthetic x 384 dimensions: some minutes
    python benchmarks/voting.py --quick

Synthetic samples are made and fed in chunks; each chunk is counted by `Voting` and then multiplied bare, in turns, so
that the machine's other load meets both. FAISS's exact index and scikit-learn (both find the nearest alone; votes want
the furthest, too) and the loop are compared at a smaller size, in turns, medians of three. Memory is what the process
holds beyond the chunk and the private rows, read every 5 ms while votes are counted.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import numpy as np
import psutil
from rows import row, write_rows
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from synthgen.privacy.voting import Embeddings, Voting, quantised

BLOCK = (512, 2048)
CENTRES = 200
THREADS = psutil.cpu_count() or 1


class PeakMemory:
    """The most resident memory of this process while a context is open, beyond what it was when made; bytes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._peak = self._process.memory_info().rss

    def __enter__(self) -> "PeakMemory":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def extra(self) -> int:
        return self._peak - self._before


@dataclass
class Timing:
    voting: list[float]
    bare: list[float]
    extra: int


def embeddings(count: int, dim: int, seed: int) -> Embeddings:
    """Return unit rows around a few hundred common centres, as texts of one task are, quantised."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, dim), dtype=np.float32)
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((count, dim), dtype=np.float32)
    rows += centres[generator.integers(CENTRES, size=count)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return quantised(rows)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_product(private: Embeddings, samples: Embeddings) -> None:
    """Multiply in blocks of the same size, on as many threads as `Voting` has, and do nothing with the result."""

    def multiply(left: int) -> None:
        rows = private[left : left + BLOCK[0]]
        room = np.empty(len(rows) * BLOCK[1], dtype=np.float32)
        for right in range(0, len(samples), BLOCK[1]):
            columns = samples[right : right + BLOCK[1]]
            np.matmul(rows, columns.T, out=room[: len(rows) * len(columns)].reshape(len(rows), len(columns)))

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(multiply, range(0, len(private), BLOCK[0])))


def measure(private: Embeddings, synthetic: int, votes: int, chunk: int) -> Timing:
    """Count the votes chunk by chunk, each followed by the bare product of the same chunk."""
    one_class = np.zeros(max(chunk, len(private)), dtype=np.int64)
    seconds: tuple[list[float], list[float]] = ([], [])
    voting, memory = None, None
    for number, start in enumerate(range(0, synthetic, chunk)):
        samples = embeddings(min(chunk, synthetic - start), private.shape[1], seed=number + 1)
        memory = memory or PeakMemory()
        with memory:
            began = time.perf_counter()
            voting = voting or Voting(private, one_class[: len(private)], votes=votes, block=BLOCK)
            voting.add(samples, one_class[: len(samples)])
            if start + chunk >= synthetic:
                voting.histograms()
            seconds[0].append(time.perf_counter() - began)
        seconds[1].append(timed(lambda samples=samples: bare_product(private, samples)))  # type: ignore[misc]
    return Timing(*seconds, memory.extra if memory else 0)


def loop(private: Embeddings, samples: Embeddings, votes: int) -> None:
    """Vote the published way: one private sample after the other, all distances, sorted."""
    near, far = np.zeros(len(samples)), np.zeros(len(samples))
    weights = 0.5 ** np.arange(votes)
    for one in private:
        order = np.argsort(np.linalg.norm(samples - one, axis=1))
        near[order[:votes]] += weights
        far[order[::-1][:votes]] += weights


def neighbours(private: Embeddings, samples: Embeddings, votes: int) -> None:
    NearestNeighbors(n_neighbors=votes, algorithm="brute", n_jobs=THREADS).fit(samples).kneighbors(private)


def faiss_search(private: Embeddings, samples: Embeddings, votes: int) -> None:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatL2(samples.shape[1])
    index.add(samples)
    index.search(private, votes)


def line(what: str, m: int, n: int, seconds: float, beside: str = "", ratio: float | None = None) -> dict[str, Any]:
    return row("voting", f"{what}, {m:,} × {n:,}", seconds=round(seconds, 3), beside=beside, ratio=ratio)


def report(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table as they are measured."""
    private = embeddings(given.private, given.dim, seed=0)
    m, n, votes = given.private, given.synthetic, given.votes
    # The last tenth is one chunk or several, so that it can be told from the rest.
    chunk = max(1, min(given.chunk, n // 10))
    whole = measure(private, n, votes, chunk)
    total, bare = sum(whole.voting), sum(whole.bare)
    both = line("`Voting`, nearest and furthest", m, n, total, f"bare product, same blocks: {bare:.2f} s", bare / total)
    speed = round(2 * m * n * given.dim / total / 1e9)
    yield {**both, "gflops": speed, "peak_megabytes": round(whole.extra / 1e6)}
    last = max(1, round(len(whole.voting) / 10))
    seconds = sum(whole.voting[-last:])
    yield line("`Voting`, the last tenth added", m, n // 10, seconds, "a tenth of the whole", total / 10 / seconds)

    small_m, small_n = max(1, m // 4), max(10, n // 4)
    for some_m, some_n in ((m, small_n), (small_m, n)):
        part = measure(private[:some_m], some_n, votes, max(1, min(given.chunk, some_n // 10)))
        seconds, expected = sum(part.voting), total * some_m * some_n / (m * n)
        yield line("`Voting`, a quarter", some_m, some_n, seconds, "a quarter of the whole", expected / seconds)

    some = embeddings(min(n, given.beside), given.dim, seed=1)
    few = private[: min(m, 100)]
    for name, rows, work in (
        (f"FAISS, flat index, {THREADS} threads", private, faiss_search),
        (f"scikit-learn, brute, n_jobs={THREADS}", private, neighbours),
        ("a loop over private samples", few, loop),
    ):
        ours, other = [], []
        for _ in range(3):
            ours.append(sum(measure(rows, len(some), votes, len(some)).voting))
            other.append(timed(lambda rows=rows, work=work: work(rows, some, votes)))  # type: ignore[misc]
        beside = f"{name}: {median(other):.2f} s"
        yield line("`Voting`", len(rows), len(some), median(ours), beside, median(other) / median(ours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--private", type=int, default=10_000)
    parser.add_argument("--synthetic", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--votes", type=int, default=8)
    parser.add_argument("--chunk", type=int, default=50_000, help="samples fed at once")
    parser.add_argument("--beside", type=int, default=50_000, help="samples for scikit-learn and the loop")
    parser.add_argument("--quick", action="store_true", help="1,000 private x 50,000 synthetic")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if find_spec("faiss") is None:
        sys.exit("FAISS is missing; install synthgen[bench].")
    if given.quick:
        given.private, given.synthetic, given.chunk, given.beside = 1_000, 50_000, 5_000, 20_000
    load = ", ".join(f"{part:.1f}" for part in psutil.getloadavg())
    print(f"{THREADS} cores, load {load}; {given.dim} dimensions, {given.votes} votes", flush=True)
    write_rows(given.json, report(given))


if __name__ == "__main__":
    main()
