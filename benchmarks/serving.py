"""The `vllm` engine beside a bare asynchronous client and beside the offline loop a peer's documentation shows.

    SYNTHGEN_VLLM_PYTHON=.venv-vllm/bin/python python benchmarks/serving.py --requests 1000 --repeats 3

The same server, the same prompts, the same seeds and sampling; tokens per second of wall time, taken in turns, so that
the machine's other load falls on all alike. The offline loop has its own process; starts are counted for both then.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import httpx2

from synthgen.plms.engines.vllm.engine import VllmEngine
from synthgen.plms.engines.vllm.find import vllm_python
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Request
from synthgen.runs.journal import Journal
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

# As the pages of distilabel and DataDreamer show it: batches of fifty through LLM.generate, one after the other.
OFFLINE = """
import json, sys, time
began = time.perf_counter()
from vllm import LLM, SamplingParams
asked = json.load(open(sys.argv[1]))
if __name__ == "__main__":
    llm = LLM(model=asked["model"], dtype="float32", enforce_eager=True, gpu_memory_utilization=0.3)
    ready = time.perf_counter()
    tokens = 0
    for start in range(0, len(asked["prompts"]), 50):
        some = slice(start, start + 50)
        common = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 100, "stop": ['"']}
        params = [SamplingParams(seed=seed, **common) for seed in asked["seeds"][some]]
        for output in llm.generate(asked["prompts"][some], params, use_tqdm=False):
            tokens += len(output.outputs[0].token_ids)
    ended = time.perf_counter()
    print(json.dumps({"tokens": tokens, "start": ready - began, "writing": ended - ready}))
"""


def requests_of(count: int, name: str) -> list[Request]:
    """Return imdb requests, half zero-shot, half behind eight demonstrations."""
    task = load_task("imdb")
    shown = [
        f"Review number {number} says that the film was long, that the actors were good and that the end came too late."
        for number in range(8)
    ]
    prompts = [prompt for label in task.labels for prompt in (task.zero_shot(label), task.few_shot(label, shown))]
    return [
        Request(f"r{n:05d}", name, 0, "", prompts[n % 4], derive_seed("serving", n), task.draw(1.0, 0.9))
        for n in range(count)
    ]


async def bare(url: str, model: str, requests: Sequence[Request], in_flight: int) -> int:
    """Ask for everything with one plain client and a semaphore; return the tokens written."""
    gate = asyncio.Semaphore(in_flight)
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx2.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:

        async def one(request: Request) -> int:
            body = {
                "model": model,
                "prompt": request.prompt,
                "max_tokens": 100,
                "temperature": 1.0,
                "top_p": 0.9,
                "stop": ['"'],
                "seed": request.seed % 2**31,
            }
            async with gate:
                answer = await client.post(f"{url}/completions", json=body)
            return int(answer.json()["usage"]["completion_tokens"])

        return sum(await asyncio.gather(*map(one, requests)))


def ours(engine: VllmEngine, requests: list[Request]) -> int:
    """Ask through the engine and the journal, as a run does; return the tokens written."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl", identity="bench")
        answers = journal.replay(requests, lambda: engine)
        return sum(completion.completion_tokens for batch in answers for _, completion in batch.pairs)


def timed(act: Callable[[], int]) -> dict[str, float]:
    began, cpu = time.perf_counter(), time.process_time()
    tokens = act()
    wall = time.perf_counter() - began
    return {"tokens": tokens, "seconds": wall, "rate": tokens / wall, "cpu": time.process_time() - cpu}


def offline(location: str, requests: Sequence[Request], folder: Path, python: str) -> dict[str, float]:
    """Run the peers' loop in a process of its own."""
    (folder / "asked.json").write_text(
        json.dumps(
            {
                "model": location,
                "prompts": [str(request.prompt) for request in requests],
                "seeds": [request.seed % 2**31 for request in requests],
            }
        )
    )
    (folder / "offline.py").write_text(OFFLINE)
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    began = time.perf_counter()
    ran = subprocess.run(
        [python, str(folder / "offline.py"), str(folder / "asked.json")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    found: dict[str, float] = json.loads(next(line for line in ran.stdout.splitlines() if line.startswith('{"tokens"')))
    return {**found, "whole": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plm", default="llama2")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    python = vllm_python()
    if python is None:
        sys.exit("No vLLM here; see README on SYNTHGEN_VLLM_PYTHON.")
    plm = resolve_plm(given.plm, "pocket")
    requests = requests_of(given.requests, plm.name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rates: dict[str, list[float]] = {"bare client": [], "vllm engine": []}
        began = time.perf_counter()
        engine = VllmEngine(plm, print, python=python, slot=Slot(), log=folder / "vllm.log", tell=lambda seconds: None)
        start = time.perf_counter() - began
        try:
            first = timed(lambda: ours(engine, requests))
            whole = start + first["seconds"]
            for repeat in range(given.repeats):
                turns = {
                    "bare client": lambda: asyncio.run(bare(engine.url, plm.name, requests, plm.serving.in_flight)),
                    "vllm engine": lambda: ours(engine, requests),
                }
                # Taken in turns, each first as often as the other.
                for name in sorted(turns, reverse=bool(repeat % 2)):
                    found = timed(turns[name])
                    rates[name].append(found["rate"])
                    each = found["cpu"] / len(requests) * 1e3
                    print(f"{name:12} {found['rate']:7,.0f} tokens/s, {each:.2f} ms of CPU a request")
        finally:
            engine.close()
        peer = offline(plm.location, requests, folder, python)
    ratio = median(rates["vllm engine"]) / median(rates["bare client"])
    own, theirs = first["tokens"] / whole, peer["tokens"] / peer["whole"]
    print(f"vllm engine / bare client, medians of {given.repeats}: {ratio:.3f}")
    print(f"first pass with start: {own:,.0f} tokens/s ({start:.0f} s start, {first['seconds']:.0f} s writing)")
    print(f"offline loop with start: {theirs:,.0f} tokens/s ({peer['start']:.0f} s, {peer['writing']:.0f} s writing)")
    print(f"vllm engine / offline loop: {own / theirs:.2f}")


if __name__ == "__main__":
    main()
