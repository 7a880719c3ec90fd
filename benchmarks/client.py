"""What the HTTP client costs: processor time a request at 256 in flight, and memory over 100,000 requests.

    python benchmarks/client.py

The scripted server runs in a process of its own. What is counted is this process: everything between a request and the
completion in the journal on disk. Texts are as long as real ones; the server takes no time to think. Beside it: the
same requests through one plain asynchronous client and a semaphore, which keeps nothing, tries nothing again and
checks nothing.
"""

import argparse
import asyncio
import gc
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from rows import row, write_rows
from serving import bare

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.engine import ServerEngine
from synthgen.records import Request, Sampling
from synthgen.runs.journal import Journal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "synthgen.testing.server", "--port", "0", "--model", "mine", "--latency", "0.02"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        rows = measure(url, given.requests)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    write_rows(given.json, rows)


def measure(url: str, count: int) -> list[dict[str, Any]]:
    prompt = 'A movie review that is positive in tone reads: "' + "words of a demonstration " * 60
    requests = [Request(f"r{n:06d}", "mine", 0, "positive", prompt, n, Sampling(max_tokens=100)) for n in range(count)]
    engine = ServerEngine(PLM("mine", "mine", "endpoint", urls=(url,)), [url], note=print)
    process = psutil.Process()
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl", identity="bench")
        began, cpu, last = time.perf_counter(), time.process_time(), process.memory_info().rss
        print(f"{'requests':>9}  {'ms of CPU a request':>20}  {'requests/s':>10}  {'memory, MB':>10}")
        done = 0
        for batch in journal.replay(requests, lambda: engine):
            done += len(batch.pairs)
            if done % max(1, count // 5) < len(batch.pairs):
                wall, used = time.perf_counter() - began, time.process_time() - cpu
                last = process.memory_info().rss
                print(f"{done:9,}  {used / done * 1e3:20.3f}  {done / wall:10,.0f}  {last / 1e6:10.0f}", flush=True)
    beside = min(plainly(url, requests[: max(256, count // 5)]) for _ in range(3))
    return [
        row(
            "client",
            f"{count:,} requests, 256 in flight, journal included: processor time a request",
            milliseconds=round(used / done * 1e3, 3),
            per_second=round(done / wall),
            megabytes=round(last / 1e6),
            beside=f"one plain asynchronous client: {beside * 1e3:.3f} ms",
            ratio=beside / (used / done),
        )
    ]


def plainly(url: str, requests: list[Request]) -> float:
    """Return the seconds of processor time a request of the plain client."""
    gc.collect()
    began = time.process_time()
    asyncio.run(bare(url, "mine", requests, 256))
    return (time.process_time() - began) / len(requests)


if __name__ == "__main__":
    main()
