"""How soon a run of a million samples goes on that was interrupted in its last round; what resuming a whole one costs.

    python benchmarks/resume.py                       # makes the run first: as long as benchmarks/scale.py's largest
    python benchmarks/resume.py --keep .work/million  # keeps the run there; the next time only the second is measured

Scripted PLMs as in benchmarks/scale.py. The run is interrupted (SIGINT) once completions of its last round are on disk.
Two figures: seconds from the start of the command until new completions of that round reach the disk, and, once the run
is whole, seconds of the whole command. Both stand beside what it took to get there the first time.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rows import row, write_rows
from scale import command

INTERRUPTED = 130
PAUSE = 0.02
"""Seconds between two looks at the disk."""


class BrokenRunError(Exception):
    """The run ended otherwise than it should."""


def written(out: Path, rounds: int) -> int:
    """Return the bytes of completions that the last round has so far."""
    folder = out / "rounds" / f"{rounds:02d}" / "completions"
    return sum(path.stat().st_size for path in folder.rglob("*.jsonl")) if folder.is_dir() else 0


def until_writing(words: list[str], out: Path, rounds: int, *, stop: bool) -> tuple[float, float]:
    """Run; return the seconds until the last round's completions grew, and until the end.

    With ``stop`` it is interrupted there. Raises ``BrokenRunError`` where it ends before, or otherwise than it was to.
    """
    before, began = written(out, rounds), time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while written(out, rounds) <= before:
                if process.poll() is not None:
                    said.seek(0)
                    raise BrokenRunError(f"It ended before its last round: {said.read().decode()[-2000:]}")
                time.sleep(PAUSE)
            grew = time.perf_counter() - began
            if stop:
                process.send_signal(signal.SIGINT)
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        if code != (INTERRUPTED if stop else 0):
            said.seek(0)
            raise BrokenRunError(f"It ended with code {code}: {said.read().decode()[-2000:]}")
    return grew, time.perf_counter() - began


def whole(words: list[str]) -> float:
    """Return the seconds of a resume of a complete run."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def measured(out: Path, samples: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the rows, making the run where it is not there yet."""
    words = command(samples, rounds, out)
    resumed = [*words, "--resume=always"]
    size = f"{samples:,} samples"
    made = None
    if not (out / "metrics.json").is_file():
        first, _ = until_writing(words, out, rounds, stop=True)
        print(f"interrupted in round {rounds} after {first:.0f} s", flush=True)
        again, rest = until_writing(resumed, out, rounds, stop=False)
        made = first + rest - again
        yield row(
            "resume",
            f"{size}, interrupted in the last round: until it writes on",
            seconds=round(again, 2),
            beside=f"the first time: {first:.0f} s",
            ratio=first / again,
        )
    seconds = whole(resumed)
    yield row(
        "resume",
        f"{size}, complete: the whole command, report included",
        seconds=round(seconds, 2),
        beside=f"making it: {made:.0f} s" if made else "",
        ratio=made / seconds if made else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder of the run; without it, a temporary one")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            write_rows(given.json, measured(given.keep or Path(scratch) / "run", given.samples, given.rounds))
        except BrokenRunError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
