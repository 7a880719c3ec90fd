"""How long the command line takes to start, beside Python itself and the command lines a user has anyway.

    python benchmarks/start.py

Wall seconds of whole commands, medians, taken in turns; a module is one line of ``python -X importtime``. Commands
that are not installed are left out.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rows import row, write_rows

BIN = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "synthgen --version": (str(BIN / "synthgen"), "--version"),
    "synthgen --help": (str(BIN / "synthgen"), "--help"),
    "synthgen fusegen --help": (str(BIN / "synthgen"), "fusegen", "--help"),
    "pip --version": (str(BIN / "pip"), "--version"),
    "hf --help": (str(BIN / "hf"), "--help"),
    "datasets-cli --help": (str(BIN / "datasets-cli"), "--help"),
    "transformers --help": (str(BIN / "transformers"), "--help"),
    "ray --help": (str(BIN / "ray"), "--help"),
}
"""Scripts, run by this Python: what a console script's own start costs is the same for all."""


def ran(words: tuple[str, ...], *options: str) -> tuple[float, str]:
    """Run Python with ``words``; return the seconds and what it said to stderr."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *options, *words], capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed: {done.stderr[-1000:]}")
    return seconds, done.stderr


def modules(words: tuple[str, ...]) -> int:
    """Count the modules that a command imports."""
    said = ran(words, "-X", "importtime")[1]
    return sum(line.startswith("import time:") for line in said.splitlines()) - 1


def rows(names: list[str], repeats: int) -> Iterator[dict[str, Any]]:
    """Yield a row a command; a ratio of ours is its neighbour's seconds over ours."""
    for name in names:
        ran(COMMANDS[name])  # once for the files' caches
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            seconds[name].append(ran(COMMANDS[name])[0])
    other = "datasets-cli --help" if "datasets-cli --help" in names else "python -c pass"
    for name in names:
        spent, ours = median(seconds[name]), name.startswith("synthgen")
        yield row(
            "start",
            f"`{name}`",
            milliseconds=round(spent * 1e3),
            modules=modules(COMMANDS[name]),
            beside=f"`{other}`" if ours else "",
            ratio=median(seconds[other]) / spent if ours else None,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", help="commands with this word, and Python itself")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    there = [name for name, words in COMMANDS.items() if words[0] == "-c" or Path(words[0]).exists()]
    if given.only:
        there = [name for name in there if given.only in name or name == "python -c pass"]
    write_rows(given.json, rows(there, given.repeats))


if __name__ == "__main__":
    main()
