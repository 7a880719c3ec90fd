"""Every benchmark, one after the other: one JSON file, and the tables of docs/performance.md.

    make bench
    python benchmarks/bench.py --only start voting
    python benchmarks/bench.py --quick --json /tmp/bench.json --page none

Each part is a script of this folder in a process of its own, and compares within its own run; --only measures some
parts anew and leaves the others' figures as they are. A part that fails is said, the others go on, and the exit code
is 1.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import commit, machine, versions
from page import filled, places
from rows import check_rows

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Part:
    """A script, what it is given, and what it is given instead where ``--quick`` only tries whether all fits."""

    script: str
    given: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()


PARTS = {
    "start": Part("start.py", quick=("--repeats", "1", "--only", "synthgen")),
    "generation": Part("reference.py", quick=("--seconds", "1", "--repeats", "1")),
    "client": Part("client.py", ("--requests", "30000"), ("--requests", "500")),
    "curation": Part("curation.py", quick=("--samples", "500", "--recorded", "none")),
    "learning": Part("learning.py", quick=("--samples", "500")),
    "reading": Part("reading.py", quick=("--samples", "500")),
    "voting": Part("voting.py", quick=("--quick",)),
    "published": Part("published.py", quick=("--samples", "12", "--rounds", "1", "--plms", "llama2")),
    "limits": Part("limits.py", quick=("--quick",)),
    "scale": Part("scale.py", quick=("--sizes", "240")),
    "resume": Part("resume.py", quick=("--samples", "1200")),
}


def run_part(name: str, part: Part, *, quick: bool) -> dict[str, Any]:
    """Run one part; return its rows, or why there are none, with the command and the seconds it took."""
    given = part.quick if quick else part.given
    command = f"python benchmarks/{shlex.join((part.script, *given))}"
    print(f"\n== {name}: {command}", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "rows.json"
        ran = subprocess.run([sys.executable, str(HERE / part.script), *given, "--json", str(out)])
        found = _rows(ran.returncode, out)
    if "error" in found:
        print(f"{name} failed: {found['error']}", file=sys.stderr, flush=True)
    return {
        "command": command,
        "seconds": round(time.perf_counter() - began, 1),
        "commit": commit(HERE.parent),
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        **found,
    }


def _rows(code: int, out: Path) -> dict[str, Any]:
    if code:
        return {"error": f"it ended with code {code}."}
    try:
        return {"rows": check_rows(json.loads(out.read_text(encoding="utf-8")))}
    except (OSError, ValueError) as error:
        return {"error": f"its figures cannot be read: {error}"}


def earlier(path: Path) -> dict[str, Any]:
    """Return the results so far, empty where there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def save(results: dict[str, Any], json_path: Path, page: Path | None) -> None:
    """Write the figures and, where there is a ``page``, the tables in it."""
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if page is not None:
        page.write_text(filled(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--json", type=Path, default=HERE.parent / "docs" / "performance.json")
    parser.add_argument("--page", default=str(HERE.parent / "docs" / "performance.md"), help="a file, or none")
    given = parser.parse_args(words)
    page = None if given.page == "none" else Path(given.page)
    if page is not None and (homeless := set(given.only) - set(places(page.read_text(encoding="utf-8")))):
        parser.error(f"{page} has no place for {', '.join(sorted(homeless))}.")
    results = {**earlier(given.json), "machine": machine(), "versions": versions()}
    results.setdefault("parts", {})
    for name in given.only:
        results["parts"][name] = run_part(name, PARTS[name], quick=given.quick)
        save(results, given.json, page)
    failed = [name for name in given.only if "error" in results["parts"][name]]
    if failed:
        print(f"\nFailed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
