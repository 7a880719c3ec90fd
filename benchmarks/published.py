"""A whole FuseGen run beside the published procedure, re-enacted with the same pocket PLMs and the same small model.

    python benchmarks/published.py

Both write as many samples a PLM in as many batches, at temperature 1 with eight demonstrations out of forty candidates,
and end with an STM scored on gold; both use all cores as their libraries do. The published procedure, in our words:

generate   each PLM is loaded anew for each batch; for every label as many prompts as all labels together need, four at
           a time, a hundred forced tokens, cut afterwards; texts of fewer than ten words go, the first that are left
           stay, and rows are repeated where too few are
feedback   188 trainings and a score on gold after each pair of them (benchmarks/feedback.py), after every batch

The STM is tf-idf where theirs is BERT, so that feedback costs next to nothing on either side; gold is the small bundled
set where theirs is 25,000 reviews. Both favour the published procedure. PLMs with a decoder alone.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from feedback import TASK, Data, Published, Real
from reference import published
from rows import row, write_rows

from synthgen.api import execute
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.methods.quotas import batch
from synthgen.methods.trained import rows_by_plm, started
from synthgen.plms.resolve import resolve_plm
from synthgen.recipe import make_recipe
from synthgen.records import Completion, Request, Sample
from synthgen.tasks.gold import load_gold

MIN_WORDS, HELD_OUT, VALIDATION = 10, 0.1, 100


def cut(text: str) -> str | None:
    """Return a text up to its first line break, else to its last full stop; None where it has neither."""
    if "\n" in text:
        return text.split("\n")[0]
    return text[: text.rindex(".") + 1] if "." in text else None


def written(plm: str, count: int, shown: Sequence[str], round: int, draw: random.Random) -> list[Sample]:
    """Return one PLM's batch."""
    write = published(resolve_plm(plm, "pocket"))
    requests = [
        Request(f"{round}-{plm}-{label}-{n}", plm, round, label, prompt, n, TASK.draw())
        for label in TASK.labels
        for prompt in [TASK.few_shot(label, shown) if shown else TASK.zero_shot(label)]
        for n in range(count)
    ]
    labels = {request.id: request.label for request in requests}
    kept = [sample for found in write(requests) if (sample := _kept(found, labels[found.request], plm, round))]
    draw.shuffle(kept)
    if not kept:
        raise SystemExit(f"{plm} wrote no text of {MIN_WORDS} words.")
    return [kept[n % len(kept)] for n in range(count)]


def _kept(found: Completion, label: str, plm: str, round: int) -> Sample | None:
    text = cut(found.text)
    if text is None or len(text.split()) < MIN_WORDS:
        return None
    return Sample(found.request, text, label, plm, round, found.request)


def split(samples: Sequence[Sample], plms: Sequence[str], stm: TfidfSTM, draw: np.random.Generator) -> Data:
    """Hold out a tenth of each PLM's samples, of which at most a hundred in all validate."""
    features, labels = started(stm, samples, TASK)
    rows_of = rows_by_plm(samples, plms)
    train, validation = [], []
    for rows in rows_of.values():
        mixed = draw.permutation(rows)
        count = max(1, round(len(rows) * HELD_OUT))
        validation.extend(mixed[: min(count, VALIDATION // len(rows_of))])
        train.extend(mixed[count:])
    return Data(features, labels, np.sort(np.array(train)), np.sort(np.array(validation)), rows_of)


def theirs(plms: Sequence[str], samples: int, rounds: int, seed: int) -> dict[str, float]:
    """Return the seconds of each part of the published procedure."""
    gold = load_gold(TASK, None, pocket=True)
    assert gold is not None
    real = Real(list(gold.texts), np.array([TASK.label_id(label) for label in gold.labels]))
    draw, stm = random.Random(seed), TfidfSTM()
    seconds = {"generate": 0.0, "feedback": 0.0}
    union: list[Sample] = []
    shown: list[str] = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        for plm in plms:
            union += written(plm, batch(samples, rounds, number)[1], shown, number, draw)
        turned = time.perf_counter()
        data = split(union, plms, stm, np.random.default_rng(seed + number))
        chosen = Published(stm, real).round(union, data)["published, as coded"]
        shown = [union[place].text for place in draw.sample(list(chosen), len(chosen))]
        seconds["generate"] += turned - began
        seconds["feedback"] += time.perf_counter() - turned
    return seconds


def ours(plms: Sequence[str], samples: int, rounds: int, seed: int) -> dict[str, float]:
    """Return the seconds of `fusegen` by stage, and ``wall``, which has the run folder and the report in it."""
    settings = {"samples": samples, "rounds": rounds, "demos": 8, "candidates": 40, "temperature": 1.0, "seed": seed}
    recipe = make_recipe({"task": "imdb", "plms": tuple(plms), "engine": "transformers", **settings})
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = execute(recipe, out=Path(folder) / "run")
        return {**run.metrics["seconds"], "wall": time.perf_counter() - began}


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the whole and its parts."""
    plms = given.plms.split(",")
    fast = ours(plms, given.samples, given.rounds, 0)
    slow = theirs(plms, given.samples, given.rounds, 0)
    what = f"{len(plms)} PLMs, {given.samples} samples each, {given.rounds} rounds"
    ours_feedback = sum(fast[stage] for stage in ("curate", "learn", "select", "evaluate"))
    for part, mine, other in (
        ("the whole, ours with run folder and report", fast["wall"], sum(slow.values())),
        ("generation", fast["generate"], slow["generate"]),
        ("feedback, ours with curation", ours_feedback, slow["feedback"]),
    ):
        yield row(
            "fusegen",
            f"{what}: {part}",
            seconds=round(mine, 1),
            beside=f"the published procedure: {other:.1f} s",
            ratio=other / mine,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plms", default="gpt2,llama2,vicuna,opt,chatglm3")
    parser.add_argument("--samples", type=int, default=100, help="per PLM; what the first round has must be 8 at least")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    write_rows(given.json, rows(given))


if __name__ == "__main__":
    main()
