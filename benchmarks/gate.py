"""The gate: what a run costs, in counts that come out the same on any machine, held against those in gate.json.

    python benchmarks/gate.py             # exit code 1, and a sentence for each, where something got dearer
    python benchmarks/gate.py --update    # write what it costs now to gate.json

Small FuseGen runs by the scripted engine, of n, 2n and 4n samples, are counted and not timed:

lines    lines of synthgen's own code that were executed, by stage, each turn of a loop or a comprehension counted
calls    what is dear although few lines ask for it: trainings of an STM, files put in place
peak     the most bytes that Python and numpy held at once until the dataset was written, above what they held before
disk     bytes of the run folder

The largest run must not cost more than a tenth more a sample than gate.json says, and the step from 2n to 4n not more
than a tenth more a sample than the step from n to 2n (the peak aside): a cost that grows faster than the samples bends
upwards. What compiled code does within one call is not seen here; benchmarks/scale.py sees it. Another minor version of
Python counts lines differently: there only the bends are held.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import synthgen
from synthgen.events import StageStarted

HOME = os.path.join(os.path.dirname(synthgen.__file__), "")  # noqa: PTH118, PTH120
RECORD = Path(__file__).with_name("gate.json")
PLMS, SIZES = ("llama2", "opt"), (200, 400, 800)
"""Samples a PLM. In smaller runs some costs have not begun: from 10,000 words on, for one, quality reads some thousand
texts drawn at random. That is a step in the costs and not a bend.
"""
TOLERANCE = 1.1
STAGES = {
    "": "loop",
    "generate.py": "generate",
    "gather.py": "generate",
    "round.py": "generate",
    "prompt.py": "generate",
    "seeds.py": "generate",
    "plms/": "generate",
    "tasks/": "generate",
    "runs/journal.py": "journal",
    "runs/files.py": "journal",
    "curate/": "curate",
    "decontaminate.py": "curate",
    "downstream/": "learn",
    "methods/": "select",
    "downstream/influence.py": "select",
    "downstream/weights.py": "weigh",
    "runs/": "write",
    "samples.py": "write",
    "report/": "report",
    "quality/": "report",
}
"""To which stage the lines of a file count: the longest beginning of its path decides."""
CALLS = {"trainings": ("downstream/", "fit"), "files written": ("runs/files.py", "write_bytes")}
BENDS = ("lines", "calls", "disk")
"""What is held to grow no faster than the samples. A peak is not: it is the larger of one that is always the same and
one that grows, and bends where the second overtakes the first.
"""
SMALL = {"lines": 1.0, "calls": 0.0, "peak": 100.0, "disk": 20.0}
"""What a count may grow by a sample, whatever its share."""


class Lines:
    """Counts lines and calls of synthgen's own code, by file, in all threads started while it is open."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Counter[tuple[str, str]]] = {}

    def __enter__(self) -> "Lines":
        threading.settrace(self._called)
        sys.settrace(self._called)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.settrace(None)
        threading.settrace(None)

    @property
    def counted(self) -> Counter[tuple[str, str]]:
        """Lines by (file, ""), calls by (file, function)."""
        return sum(self._by_thread.values(), Counter())

    def _called(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        path = frame.f_code.co_filename
        if not path.startswith(HOME):
            return None
        counts = self._by_thread.setdefault(threading.get_ident(), Counter())
        counts[path, frame.f_code.co_name] += 1
        key = path, ""

        def line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            if event == "line":
                counts[key] += 1
            return line

        return line


class Peak:
    """Watches a run: the most ``bytes`` held at once until the dataset is written; the report's pictures are as large
    for few samples as for many.
    """

    def __init__(self) -> None:
        tracemalloc.start()
        self.bytes = 0

    def __call__(self, event: object) -> None:
        """Take in the peak so far."""
        if tracemalloc.is_tracing():
            self.bytes = tracemalloc.get_traced_memory()[1]
        if event == StageStarted("write"):
            tracemalloc.stop()


def stage_of(path: str) -> str:
    """Return the stage that a file of synthgen counts to."""
    inside = path.removeprefix(HOME).replace(os.sep, "/")
    return STAGES[max((start for start in STAGES if inside.startswith(start)), key=len)]


def cost(samples: int) -> dict[str, dict[str, float]]:
    """Run ``samples`` a PLM once and return what it cost in all, by kind and by stage."""
    from synthgen.api import execute
    from synthgen.recipe import make_recipe

    settings = {"task": "imdb", "plms": PLMS, "engine": "scripted", "gold": "none", "rounds": 2}
    recipe = make_recipe({**settings, "samples": samples})
    with tempfile.TemporaryDirectory() as folder:
        with Lines() as lines:
            execute(recipe, out=Path(folder) / "lines")
        # One after the other: each makes the run a few times slower, both together ten times.
        peak = Peak()
        execute(recipe, out=Path(folder) / "peak", observe=peak)
        disk = sum(path.stat().st_size for path in Path(folder, "lines").rglob("*") if path.is_file())
    stages: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for (path, name), count in lines.counted.items():
        if not name:
            stages[stage_of(path)] += count
            continue
        for what, (start, function) in CALLS.items():
            if name == function and path.removeprefix(HOME).startswith(start):
                calls[what] += count
    return {"lines": dict(stages), "calls": dict(calls), "peak": {"": peak.bytes}, "disk": {"": disk}}


def measured() -> dict[str, Any]:
    """Return what the largest run costs a sample, and the two steps to it."""
    cost(40)  # what is loaded and kept once is no cost of a sample
    costs = [cost(size) for size in SIZES]
    counts = [size * len(PLMS) for size in SIZES]

    def each(kind: str, name: str) -> dict[str, float]:
        first, second, third = (found[kind].get(name, 0) for found in costs)
        return {
            "each": round(third / counts[2], 4),
            "first step": round((second - first) / (counts[1] - counts[0]), 4),
            "last step": round((third - second) / (counts[2] - counts[1]), 4),
        }

    found = {kind: {name: each(kind, name) for name in sorted(costs[-1][kind])} for kind in costs[-1]}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "a sample": found}


def problems(found: dict[str, Any], recorded: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each cost that is above what was recorded, or bends upwards."""
    same = found["python"] == recorded["python"]
    for kind, costs in found["a sample"].items():
        for name, now in costs.items():
            what = f"{kind}, {name}" if name else kind
            then = recorded["a sample"].get(kind, {}).get(name)
            if then is None:
                yield f"{what}: gate.json does not know it; add it with --update."
            elif (same or kind != "lines") and now["each"] > TOLERANCE * then["each"] + SMALL[kind]:
                yield f"{what}: {now['each']:,.1f} a sample, {then['each']:,.1f} in gate.json."
            if kind in BENDS and now["last step"] > TOLERANCE * max(now["first step"], 0) + SMALL[kind]:
                steps = f"{now['first step']:,.1f} a sample at first, then {now['last step']:,.1f}"
                yield f"{what}: {steps}: it is not flat."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    given = parser.parse_args()
    found = measured()
    if given.update:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"Written to {RECORD}.")
        return 0
    dear = list(problems(found, json.loads(RECORD.read_text(encoding="utf-8"))))
    print("\n".join(dear) or "Nothing got dearer.")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
