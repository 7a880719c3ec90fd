"""The `transformers` engine beside two ways to call `generate`.

    python benchmarks/reference.py --plm llama2 --seconds 60

published   as the published code does: one label's prompt, batches of four, a hundred forced tokens, cut afterwards
plain       as the library's own pages show it: a prompt at a time, stopping at the closing quote

All write zero-shot and few-shot imdb texts with the same model, sampling and curation, on one thread, in turns;
accepted samples per second of process time count, so that the machine's other load does not.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from rows import row, write_rows
from transformers import AutoModelForCausalLM, AutoTokenizer

from synthgen.curate.curator import Curator
from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Completion, Request, Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task


def requests_of(task: Task, shots: int, seed: int) -> Iterator[Request]:
    shown = [
        f"Review number {number} says that the film was long, that the actors were good and that the end came too late."
        for number in range(shots)
    ]
    serial = 0
    while True:
        label = task.labels[serial % len(task.labels)]
        prompt = task.few_shot(label, shown) if shots else task.zero_shot(label)
        own = derive_seed("reference", seed, serial)
        yield Request(f"r{serial:06d}", "plm", 0, label, prompt, own, task.draw(1.0, 0.9))
        serial += 1


def published(plm: PLM) -> Callable[[Sequence[Request]], list[Completion]]:
    """Return the published way: one label's prompt four times, no early stop, cut afterwards."""
    tokenizer = AutoTokenizer.from_pretrained(plm.location)
    model = AutoModelForCausalLM.from_pretrained(plm.location, dtype=torch.float32).eval()

    def write(requests: Sequence[Request]) -> list[Completion]:
        found = []
        by_prompt: dict[str, list[Request]] = {}
        for request in requests:
            by_prompt.setdefault(str(request.prompt), []).append(request)
        for prompt, same in by_prompt.items():
            ids = tokenizer(prompt, return_tensors="pt")
            ids.pop("token_type_ids", None)
            for start in range(0, len(same), 4):
                some = same[start : start + 4]
                with torch.no_grad():
                    output = model.generate(
                        **ids,
                        do_sample=True,
                        top_p=0.9,
                        top_k=0,
                        temperature=1.0,
                        min_new_tokens=100,
                        max_new_tokens=100,
                        num_return_sequences=len(some),
                        pad_token_id=tokenizer.pad_token_id,
                    )
                for request, written in zip(some, output[:, ids["input_ids"].shape[1] :], strict=True):
                    text = tokenizer.decode(written, skip_special_tokens=True).split('"')[0]
                    found.append(Completion(request.id, text, "stop", ids["input_ids"].shape[1], 100))
        return found

    return write


def plain(plm: PLM) -> Callable[[Sequence[Request]], list[Completion]]:
    """Return the plain way: ``generate`` for each prompt."""
    tokenizer = AutoTokenizer.from_pretrained(plm.location)
    model = AutoModelForCausalLM.from_pretrained(plm.location, dtype=torch.float32).eval()

    def write(requests: Sequence[Request]) -> list[Completion]:
        found = []
        for request in requests:
            ids = tokenizer(str(request.prompt), return_tensors="pt")
            ids.pop("token_type_ids", None)
            output = model.generate(
                **ids,
                do_sample=True,
                top_p=0.9,
                top_k=0,
                temperature=1.0,
                max_new_tokens=100,
                stop_strings=['"'],
                tokenizer=tokenizer,
                pad_token_id=tokenizer.pad_token_id,
            )[0, ids["input_ids"].shape[1] :]
            text = tokenizer.decode(output, skip_special_tokens=True)
            ended = '"' in text or len(output) < 100
            cut = text.split('"')[0]
            read = ids["input_ids"].shape[1]
            found.append(Completion(request.id, cut, "stop" if ended else "length", read, len(output)))
        return found

    return write


class Rate(NamedTuple):
    """Per second of process time: accepted samples, tokens written."""

    samples: float
    tokens: float


def rate(
    write: Callable[[Sequence[Request]], Any], task: Task, shots: int, seed: int, seconds: float, size: int
) -> Rate:
    """Write and judge for about ``seconds``."""
    curator, source = Curator(task), requests_of(task, shots, seed)
    accepted, tokens, began = 0, 0, time.process_time()
    while time.process_time() - began < seconds:
        requests = [next(source) for _ in range(size)]
        answers = {completion.request: completion for completion in write(requests)}
        accepted += sum(isinstance(curator.judge(request, answers[request.id]), Sample) for request in requests)
        tokens += sum(completion.completion_tokens for completion in answers.values())
    spent = time.process_time() - began
    return Rate(accepted / spent, tokens / spent)


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each way beside the engine, zero-shot and behind eight demonstrations."""
    task, plm = load_task("imdb"), resolve_plm(given.plm, "pocket")
    engine = open_engine(plm, "transformers")
    ways = {
        "published": (published(plm), 8),
        "plain": (plain(plm), 8),
        "engine": (lambda asked: list(engine.generate(asked)), 256),
    }
    for shots in (0, 8):
        rates: dict[str, list[Rate]] = {name: [] for name in ways}
        for repeat in range(given.repeats):
            for name, (write, size) in ways.items():
                rates[name].append(rate(write, task, shots, repeat, given.seconds, size))
        samples = {name: median(one.samples for one in found) for name, found in rates.items()}
        tokens = {name: median(one.tokens for one in found) for name, found in rates.items()}
        for name, beside in (("published", "batches of 4, 100 forced tokens"), ("plain", "`generate`, one at a time")):
            yield row(
                "generation",
                f"{given.plm}, {shots} demonstrations, one thread, accepted samples",
                per_second=round(samples["engine"], 2),
                tokens_per_second=round(tokens["engine"]),
                beside=f"{beside}: {samples[name]:.3g} /s, {tokens[name]:,.0f} tokens/s",
                ratio=samples["engine"] / samples[name],
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plm", default="llama2")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    write_rows(given.json, rows(given))


if __name__ == "__main__":
    main()
