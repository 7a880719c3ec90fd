"""The `transformers` engine beside the way the published code generates: batches of four, a hundred forced tokens.

    python benchmarks/reference.py --plm llama2 --seconds 60

Both write zero-shot and few-shot imdb texts with the same model, sampling and curation, on one thread, in turns;
accepted samples per second of process time count, so that the machine's other load does not.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import torch
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
                for request, row in zip(some, output[:, ids["input_ids"].shape[1] :], strict=True):
                    text = tokenizer.decode(row, skip_special_tokens=True).split('"')[0]
                    found.append(Completion(request.id, text, "stop", ids["input_ids"].shape[1], 100))
        return found

    return write


def rate(
    write: Callable[[Sequence[Request]], Any], task: Task, shots: int, seed: int, seconds: float, size: int
) -> float:
    """Return accepted samples per second of process time over about ``seconds``."""
    curator, source = Curator(task), requests_of(task, shots, seed)
    accepted, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        requests = [next(source) for _ in range(size)]
        answers = {completion.request: completion for completion in write(requests)}
        accepted += sum(isinstance(curator.judge(request, answers[request.id]), Sample) for request in requests)
    return accepted / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plm", default="llama2")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    task, plm = load_task("imdb"), resolve_plm(given.plm, "pocket")
    engine = open_engine(plm, "transformers")
    ways = {
        "published way": (published(plm), 8),
        "transformers engine": (lambda asked: list(engine.generate(asked)), 256),
    }
    for shots in (0, 8):
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for repeat in range(given.repeats):
            for name, (write, size) in ways.items():
                rates[name].append(rate(write, task, shots, repeat, given.seconds, size))
        slow, fast = (median(rates[name]) for name in ways)
        spread = ", ".join(f"{name} {min(found):.1f} to {max(found):.1f}" for name, found in rates.items())
        compared = f"{fast:.1f} against {slow:.1f} accepted samples/s: {fast / slow:.1f} x"
        print(f"{given.plm}, {shots} demonstrations: {compared} ({spread})")


if __name__ == "__main__":
    main()
