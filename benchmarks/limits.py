"""How far each stage is from what the machine can do at most: its memory, its matrix products, its bare loops.

    python benchmarks/limits.py

A ratio is the share of the limit that is reached: 1 would be the limit itself. Both are measured one after the other,
on one thread, the best of some runs each.

learn      the pass over the features that one step of the STM's descent makes, beside a copy of as many bytes
vote       `Voting`, beside one large matrix product of single precision
journal    completions through the journal, beside the same bytes appended to a file and forced to the disk once
curate     verdicts, beside the least a curator could do: find the words and put the pairs of them into a set
generate   the transformers engine's tokens, beside steps of the bare model in batches as large, which decide nothing
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import best, copying, matrix_product
from rows import row, write_rows
from threadpoolctl import threadpool_limits

from synthgen.curate.curator import Curator
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.plms.engines.load import load
from synthgen.plms.engines.scripted import ScriptedEngine, default_script
from synthgen.plms.engines.transformers import CPU_ROWS, TransformersEngine
from synthgen.plms.resolve import resolve_plm
from synthgen.privacy.voting import Voting, quantised
from synthgen.records import Completion, Request
from synthgen.runs.journal import Journal
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")


def requests_of(count: int) -> list[Request]:
    """Return zero-shot requests, labels in turn."""
    prompts = {label: TASK.zero_shot(label) for label in TASK.labels}
    labels = [TASK.labels[n % len(TASK.labels)] for n in range(count)]
    return [
        Request(f"r{n:07d}", "llama2", 0, label, prompts[label], derive_seed("limits", n), TASK.draw(1.0, 0.9))
        for n, label in enumerate(labels)
    ]


def learning(texts: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Measure one evaluation of the loss and its gradient: the matrix is read twice."""
    stm = TfidfSTM()
    rows = stm.start(texts)
    features = rows.csr()
    ids = np.array([TASK.label_id(label) for label in labels])
    loss = stm.fit(rows, ids, n_labels=len(TASK.labels)).loss
    parameters = np.zeros(loss.shape)
    moved = 2 * (features.data.nbytes + features.indices.nbytes + features.indptr.nbytes)
    rate = moved / best(lambda: loss.value_and_gradient(parameters)) / 1e9
    limit = copying()
    return row(
        "learn",
        f"{len(texts):,} texts, {features.nnz:,} values: features read by one evaluation of the loss and its gradient",
        gb_per_second=round(rate, 2),
        beside=f"a copy: {limit:.1f} GB/s",
        ratio=rate / limit,
    )


def voting(private: int, synthetic: int, dim: int) -> dict[str, Any]:
    """Measure the products that votes need, near and far found in them included."""
    draw = np.random.default_rng(0)

    def unit(count: int) -> Any:
        rows = draw.standard_normal((count, dim), dtype=np.float32)
        return quantised(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    owners, samples = unit(private), unit(synthetic)
    ones = np.zeros(max(private, synthetic), dtype=np.int64)

    def count() -> None:
        votes = Voting(owners, ones[:private], votes=8, block=(512, 2048))
        votes.add(samples, ones[:synthetic])
        votes.histograms()

    rate, limit = 2 * private * synthetic * dim / best(count, 3) / 1e9, matrix_product()
    return row(
        "vote",
        f"{private:,} private × {synthetic:,} synthetic × {dim}",
        gflops=round(rate),
        beside=f"a matrix product: {limit:.0f} GFLOP/s",
        ratio=rate / limit,
    )


def journal(requests: Sequence[Request]) -> dict[str, Any]:
    """Measure completions that cost nothing to write, through the journal."""
    texts = {request.id: default_script(request) for request in requests}
    engine = ScriptedEngine(lambda request: texts[request.id])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        began = time.perf_counter()
        for _ in Journal(path, identity="limits").replay(requests, lambda: engine):
            pass
        ours = time.perf_counter() - began
        data = path.read_bytes()
        began = time.perf_counter()
        with Path(folder, "bare").open("ab") as file:
            for line in data.splitlines(keepends=True):
                file.write(line)
                file.flush()
            os.fsync(file.fileno())
        bare = time.perf_counter() - began
    return row(
        "journal",
        f"{len(requests):,} completions, {len(data) / 1e6:.0f} MB",
        per_second=round(len(requests) / ours),
        beside=f"the bytes alone: {len(requests) / bare:,.0f} /s",
        ratio=bare / ours,
    )


def curation(requests: Sequence[Request]) -> dict[str, Any]:
    """Measure verdicts on texts none of which was seen before."""
    found = [Completion(request.id, default_script(request), "stop", 0, 0) for request in requests]
    curator = Curator(TASK)
    began = time.process_time()
    for _ in curator.judge_all(zip(requests, found, strict=True)):
        pass
    ours = time.process_time() - began
    word, seen = re.compile(r"\w+"), set()
    began = time.process_time()
    for completion in found:
        seen.update(pairwise(word.findall(completion.text.lower())))
    bare = time.process_time() - began
    return row(
        "curate",
        f"{len(requests):,} texts, none seen before",
        per_second=round(len(requests) / ours),
        beside=f"word pairs into a set: {len(requests) / bare:,.0f} /s",
        ratio=bare / ours,
    )


def generation(requests: Sequence[Request]) -> dict[str, Any]:
    """Measure the engine, start of the prompts included, and the model alone, whose every step counts for every row."""
    plm = resolve_plm("llama2", "pocket")
    model, tokenizer = load(plm, print)
    engine = TransformersEngine(plm, model, tokenizer)
    began = time.process_time()
    tokens = sum(completion.completion_tokens for completion in engine.generate(requests))
    ours = tokens / (time.process_time() - began)
    prompt = tokenizer(str(requests[0].prompt), return_tensors="pt")["input_ids"].repeat(CPU_ROWS, 1)
    steps = 60
    with torch.inference_mode():
        out = model(prompt, use_cache=True)
        began = time.process_time()
        for _ in range(steps):
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        bare = steps * CPU_ROWS / (time.process_time() - began)
    return row(
        "generate",
        f"pocket llama2, {len(requests):,} requests, zero-shot",
        tokens_per_second=round(ours),
        beside=f"the bare model: {bare:,.0f} tokens/s",
        ratio=ours / bare,
    )


def rows(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield a row a stage."""
    requests = requests_of(500 if quick else 20_000)
    texts = [default_script(request) for request in requests]
    yield learning(texts, [request.label for request in requests])
    yield voting(500, 2_000, 64) if quick else voting(2_000, 50_000, 384)
    yield journal(requests)
    yield curation(requests)
    yield generation(requests[: 16 if quick else 512])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        write_rows(given.json, rows(quick=given.quick))


if __name__ == "__main__":
    main()
