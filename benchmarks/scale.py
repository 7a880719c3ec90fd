"""A whole FuseGen run at 10⁴, 10⁵ and 10⁶ samples: time a sample, memory, and where the time goes.

    python benchmarks/scale.py                   # half an hour and a few GB of disk
    python benchmarks/scale.py --largest 100000
    python benchmarks/scale.py --private seeds.jsonl     # the same with WASP

Six PLMs played by the scripted engine, five rounds of feedback, no gold; `synthgen fusegen` in a process of its own,
report included. Memory is the most that the process ever held (ru_maxrss). A ratio is the time a sample of the smallest
run over this one's: 1 is flat, below 1 is slower. The start of Python and its libraries counts into every wall time,
so the ratio is told for the run proper as well, which leaves start and report out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows import row, write_rows

PLMS = ("gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: samples, seconds of wall and of processor time, bytes at the peak and on disk, and its own seconds."""

    samples: int
    wall: float
    processor: float
    peak: int
    disk: int
    seconds: dict[str, float]


def command(samples: int, rounds: int, out: Path, private: Path | None = None) -> list[str]:
    """Return the command that writes ``samples`` samples in all, judged by the samples of ``private`` where given."""
    each = -(-samples // len(PLMS))
    settings = {"task": "imdb", "plms": ",".join(PLMS), "profile": "pocket", "engine": "scripted", "gold": "none"}
    if private:
        settings["private"] = str(private)
    words = [f"--{name}={value}" for name, value in {**settings, "samples": each, "rounds": rounds, "out": out}.items()]
    return [sys.executable, "-m", "synthgen", "wasp" if private else "fusegen", *words, "--json"]


def measure(samples: int, rounds: int, out: Path, private: Path | None) -> Measured:
    """Run it once. Raises ``SystemExit`` where the run fails."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command(samples, rounds, out, private), stdout=printed, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        said.seek(0)
        if process.returncode:
            sys.exit(f"The run of {samples:,} samples failed: {said.read().decode()[-2000:]}")
        metrics: dict[str, Any] = json.loads(printed.read())
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    processor = usage.ru_utime + usage.ru_stime
    return Measured(metrics["samples"], wall, processor, usage.ru_maxrss * 1024, disk, metrics["seconds"])


def told(runs: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    """Yield the rows: the whole command, the run proper, and its stages, each beside the smallest run's."""
    first = runs[0]
    beside = f"a sample's time at {first.samples:,}"
    for run in runs:
        size = f"{run.samples:,} samples"
        yield row(
            size,
            "`synthgen fusegen`, start and report included",
            seconds=round(run.wall, 1),
            microseconds=round(run.wall / run.samples * 1e6),
            peak_megabytes=round(run.peak / 1e6),
            disk_megabytes=round(run.disk / 1e6),
            beside=beside,
            ratio=(first.wall / first.samples) / (run.wall / run.samples),
        )
        yield row(
            size,
            "the same, processor time of all cores",
            seconds=round(run.processor, 1),
            microseconds=round(run.processor / run.samples * 1e6),
            beside=beside,
            ratio=(first.processor / first.samples) / (run.processor / run.samples),
        )
        outside = run.wall - run.seconds["total"]
        parts = {**run.seconds, "start, report": outside}
        for stage in ("total", "generate", "curate", "learn", "select", "start, report"):
            spent, then = parts[stage], {**first.seconds, "start, report": first.wall - first.seconds["total"]}[stage]
            yield row(
                size,
                "the run proper" if stage == "total" else stage,
                seconds=round(spent, 1),
                microseconds=round(spent / run.samples * 1e6, 1),
                beside=beside if then > 0.1 else "",
                ratio=(then / first.samples) / (spent / run.samples) if then > 0.1 and spent > 0.1 else None,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--largest", type=int, help="leave out sizes above this one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--private", type=Path, help="private samples: a WASP run, whose votes they cast")
    parser.add_argument("--folder", type=Path, help="where the runs are written; removed after each")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sizes = [size for size in sorted(given.sizes) if given.largest is None or size <= given.largest]
    if not sizes:
        sys.exit(f"No size is at most {given.largest:,}.")
    runs = []
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        for size in sizes:
            out = Path(scratch) / str(size)
            runs.append(measure(size, given.rounds, out, given.private))
            shutil.rmtree(out)
            last = runs[-1]
            print(f"{last.samples:,}: {last.wall:.1f} s, {last.peak / 1e6:,.0f} MB, {last.seconds}", flush=True)
    write_rows(given.json, told(runs))


if __name__ == "__main__":
    main()
