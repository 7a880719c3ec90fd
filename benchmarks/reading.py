"""What it takes to read a large run back: report, map, best and worst samples, export, decontamination.

    python benchmarks/reading.py
    python benchmarks/reading.py --samples 1000000 --repeats 1

The run is invented: six PLMs, two labels, six rounds, texts of 15 to 49 words of a vocabulary of 20,000; no STM has
seen it. Beside each is what one would write without synthgen, where that is a few lines: pandas and matplotlib for the
map and the best and worst, a loop over json.dumps for the export, Python's sets of 13 words in a row, which find fewer
overlaps, for decontamination. Each runs in a process of its own, in turns; seconds are the fastest of some repeats,
imports included, and megabytes the peak of the process.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rows import row, write_rows

PLMS = ("llama2", "opt", "vicuna", "gpt2", "chatglm3", "flan-t5")
LABELS = ("negative", "positive")
ROUNDS, EPOCHS, RUN, GOLD = 6, 10, 13, 5_000


def invented(folder: Path, samples: int) -> None:
    """Write a complete run with so many samples, one in twenty of them of weight 0."""
    import numpy as np

    from synthgen.recipe import make_recipe
    from synthgen.records import Sample
    from synthgen.runs.files import write_bytes, write_json, write_jsonl
    from synthgen.runs.tables import write_dataset, write_dynamics
    from synthgen.seeds import short_id
    from synthgen.tasks.registry import load_task

    rng, task = np.random.default_rng(0), load_task("imdb")
    texts = sentences(samples, 0)
    recipe = make_recipe({"method": "fusegen", "task": "imdb", "plms": PLMS, "samples": max(12, samples // 6)})
    write_bytes(folder / "recipe.yaml", recipe.to_yaml().encode())
    made: list[Sample] = []
    for number in range(ROUNDS):
        last = samples * (number + 1) // ROUNDS
        new = [
            Sample(short_id(at), next(texts), LABELS[at // 6 % 2], PLMS[at % 6], number, f"{number:02d}-{at:07d}")
            for at in range(len(made), last)
        ]
        made += new
        write_jsonl(folder / f"rounds/{number:02d}/samples.jsonl", (sample.to_row() for sample in new))
        write_json(folder / f"rounds/{number:02d}/demonstrations.json", [sample.to_row() for sample in new[:4]])
        chances = np.sort(rng.beta(2, 1, (len(made), EPOCHS)))
        scores = {"confidence": chances.mean(1), "variability": chances.std(1), "correctness": (chances > 0.5).mean(1)}
        write_dynamics(
            folder / f"rounds/{number:02d}/dynamics.parquet", made, {**scores, "epoch_probabilities": chances}
        )
    kept = [sample for at, sample in enumerate(made) if at % 20]
    write_dataset(folder / "dataset" / "train.parquet", kept, task)
    write_json(folder / "manifest.json", {"status": "complete", "plms": [{"name": name} for name in PLMS]})
    write_json(folder / "metrics.json", {"samples": len(kept), "accuracy": None})


def sentences(count: int, seed: int) -> Iterator[str]:
    """Yield texts of words that are the rarer the longer the vocabulary goes on."""
    import numpy as np

    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, 20_001) ** 0.9
    sums = np.cumsum(chances / chances.sum())
    for _ in range(count):
        numbers = np.searchsorted(sums, rng.random(int(rng.integers(15, 50)))).tolist()
        yield f"{' '.join(f'w{number}' for number in numbers)}."


def report(folder: Path) -> None:
    """Write the page, the pictures and the card."""
    from synthgen.report.write import write_report
    from synthgen.runs.read import load_run

    write_report(load_run(folder))


def cartography(folder: Path) -> None:
    """Draw the map."""
    from synthgen.report.cartography import COLUMNS, plot_cartography
    from synthgen.runs.read import load_run

    plot_cartography(load_run(folder).dynamics(COLUMNS), folder / "ours.png")


def scatter(folder: Path) -> None:
    """Draw all points with pandas and matplotlib."""
    import matplotlib as mpl
    import pandas as pd

    mpl.use("agg")
    import matplotlib.pyplot as plt

    frame = pd.read_parquet(folder / f"rounds/{ROUNDS - 1:02d}/dynamics.parquet")
    figure, grid = plt.subplots(2, 4, figsize=(13, 7))
    for axes, (plm, part) in zip(grid.flat, [*frame.groupby("plm"), ("all", frame)], strict=False):
        axes.scatter(part.variability, part.confidence, c=part.correctness, s=2)
        axes.set_title(plm)
    figure.savefig(folder / "theirs.png", dpi=150)


def best_and_worst(folder: Path) -> None:
    """Rank the samples of each PLM and label."""
    from synthgen.report.scored import ranked_run
    from synthgen.runs.read import load_run

    ranked_run(load_run(folder))


def sorted_frame(folder: Path) -> None:
    """Rank them with pandas."""
    import pandas as pd

    frame = pd.concat([pd.read_json(path, lines=True) for path in sorted(folder.glob("rounds/*/samples.jsonl"))])
    dynamics = pd.read_parquet(folder / f"rounds/{ROUNDS - 1:02d}/dynamics.parquet")
    both = frame.merge(dynamics.drop(columns=["plm", "label"]), on="id").sort_values("confidence")
    for _, part in both.groupby(["plm", "label"]):
        part.head(3), part.tail(3)


def export(folder: Path) -> None:
    """Export the dataset as JSON lines."""
    from synthgen.export import export_run
    from synthgen.runs.read import load_run

    export_run(load_run(folder), "jsonl", folder / "ours.jsonl")


def dumped(folder: Path) -> None:
    """Export it with a loop."""
    import pyarrow.parquet as pq

    with (folder / "theirs.jsonl").open("w", encoding="utf-8") as file:
        for one in pq.read_table(folder / "dataset" / "train.parquet").to_pylist():
            file.write(json.dumps({**one, "label": LABELS[one["label"]]}, ensure_ascii=False) + "\n")


def decontamination(folder: Path) -> None:
    """Find the samples that overlap gold texts."""
    import pyarrow.parquet as pq

    from synthgen.curate.overlap import overlaps

    texts = pq.read_table(folder / "dataset" / "train.parquet", columns=["text"])["text"]
    overlaps((text.as_py() for text in texts), [*sentences(GOLD, 1)])


def sets(folder: Path) -> None:
    """Find those that share 13 words in a row."""
    import pyarrow.parquet as pq

    from synthgen.curate.words import words

    texts = pq.read_table(folder / "dataset" / "train.parquet", columns=["text"])["text"].to_pylist()
    own = [runs(words(text)) for text in texts]
    known: set[tuple[str, ...]] = set().union(*own)
    met = set().union(*(known & runs(words(text)) for text in sentences(GOLD, 1)))
    [not one.isdisjoint(met) for one in own]


def runs(tokens: list[str]) -> set[tuple[str, ...]]:
    """Return the runs of words of one text."""
    return set(zip(*(tokens[start:] for start in range(RUN)), strict=False))


Work = Callable[[Path], None]
STAGES: tuple[tuple[str, Work, str, Work | None], ...] = (
    ("report.html, pictures, card", report, "", None),
    ("cartography", cartography, "pandas and a matplotlib scatter", scatter),
    ("best and worst samples", best_and_worst, "pandas, sorted", sorted_frame),
    ("export as JSON lines", export, "a loop over json.dumps", dumped),
    ("decontamination", decontamination, "sets of 13 words", sets),
)


def measured(work: Callable[..., None], *given: Any) -> tuple[float, int]:
    """Return the seconds of process time and the peak in MB of some work in a process of its own."""
    fresh = multiprocessing.get_context("spawn")
    received, sent = fresh.Pipe(duplex=False)
    process = fresh.Process(target=_timed, args=(sent, work, given))
    process.start()
    sent.close()
    found: tuple[float, int] = received.recv()
    process.join()
    return found


def _timed(out: Connection, work: Callable[..., None], given: tuple[Any, ...]) -> None:
    began = time.process_time()
    work(*given)
    out.send((time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6))


def measured_rows(folder: Path, samples: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Yield a row a stage; the two sides of it take turns."""
    for name, ours, beside, theirs in STAGES:
        turns = [[measured(work, folder) for work in (ours, theirs) if work] for _ in range(repeats)]
        seconds = [min(turn[side][0] for turn in turns) for side in range(len(turns[0]))]
        megabytes = [max(turn[side][1] for turn in turns) for side in range(len(turns[0]))]
        other = {"beside_seconds": round(seconds[1], 2), "beside_megabytes": megabytes[1]} if theirs else {}
        yield row(
            "reading",
            f"{name}, {samples:,} samples",
            beside=beside,
            ratio=seconds[1] / seconds[0] if theirs else None,
            seconds=round(seconds[0], 2),
            megabytes=megabytes[0],
            **other,
        )


def main() -> None:
    """Invent the run, measure all, print and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        # In another process: its memory would count as that of every process started after it.
        measured(invented, run, given.samples)
        write_rows(given.json, measured_rows(run, given.samples, given.repeats))


if __name__ == "__main__":
    main()
