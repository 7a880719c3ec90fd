"""Fuzz parsers and writers: ``fuzz.py [TARGET …] [--inputs N] [--seed S]``, of all a million by default.

Pure functions are fuzzed by coverage (atheris), each in a process of its own; the rest, and all where atheris is not
installed, by hypothesis. One JSON line a target says how many inputs it was fed and how many of them it refused. The
first input that raised, hung or broke a law ends the run with exit code 1, and is shown.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "fuzz"))

MILLION = 1_000_000
SHOWN = 3_000


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help="which; all where none is named")
    parser.add_argument("--inputs", type=int, default=MILLION, help="of all targets together; each has its share")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.guided:
        return guided(given.targets[0], given.inputs, given.seed, Path(given.guided))
    total = failed = 0
    for found in fuzz(given.targets, given.inputs, given.seed):
        print(json.dumps(found), flush=True)
        total += found["inputs"]
        failed += not found["sound"]
    print(json.dumps({"inputs": total, "failed": failed}), flush=True)
    return 1 if failed else 0


def fuzz(names: list[str], inputs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Fuzz each target with its share of ``inputs`` and yield what came of it."""
    from hostile_targets import TARGETS

    targets = [TARGETS[name]() for name in names or TARGETS]
    shares = sum(target.million for target in targets)
    by_coverage = find_spec("atheris") is not None
    for target in targets:
        share = max(1, -(-inputs * target.million // shares))
        run = _by_coverage if target.guided and by_coverage else _by_chance
        began = perf_counter()
        found = run(target, share, seed)
        how = "coverage" if run is _by_coverage else "chance"
        yield {"target": target.name, "by": how, **found, "seconds": round(perf_counter() - began, 1)}


def _by_chance(target: Any, inputs: int, seed: int) -> dict[str, Any]:
    from hostile_inputs import documents
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    counted = {"inputs": 0, "refused": 0}

    @seeded(seed)
    @settings(max_examples=inputs, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(documents(target))
    def feed(data: bytes) -> None:
        counted["inputs"] += 1
        counted["refused"] += target(data) is not None

    # Hypothesis stops early where it thinks that it has seen all there is.
    while counted["inputs"] < inputs:
        try:
            feed()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            said = "".join(traceback.format_exception(error, limit=-3))
            return {**counted, "sound": False, "said": said[-SHOWN:]}
    return {**counted, "sound": True}


def _by_coverage(target: Any, inputs: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="synthgen-fuzz-") as folder:
        counts = Path(folder) / "counts.json"
        command = [sys.executable, __file__, target.name, "--inputs", str(inputs), "--seed", str(seed)]
        run = subprocess.run(
            [*command, "--guided", str(counts)],
            capture_output=True, text=True, errors="replace", cwd=folder, check=False,
        )  # fmt: skip
        counted = json.loads(counts.read_text(encoding="utf-8")) if counts.is_file() else {"inputs": 0, "refused": 0}
        if run.returncode == 0 and counted["inputs"] >= inputs:
            return {**counted, "sound": True}
        broke = [repr(path.read_bytes()[:SHOWN]) for path in sorted(Path(folder).glob("*-*")) if path.is_file()]
        said = "\n".join([(run.stdout + run.stderr)[-SHOWN:], *broke])
        return {**counted, "sound": False, "said": said}


def guided(name: str, inputs: int, seed: int, counts: Path) -> int:
    """Fuzz one target by coverage, in this process; ``counts`` is written when all inputs were fed."""
    import atheris

    with atheris.instrument_imports(include=["synthgen"]):
        from hostile_targets import TARGETS

        target = TARGETS[name]()
        for one in target.seeds:
            target(one)
    corpus, words = counts.parent / "corpus", counts.parent / "words"
    corpus.mkdir()
    for number, one in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(one)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _words(target)), encoding="ascii")
    counted = {"inputs": 0, "refused": 0}

    def feed(data: bytes) -> None:
        counted["refused"] += target(data) is not None
        counted["inputs"] += 1
        if counted["inputs"] >= inputs:
            counts.write_text(json.dumps(counted), encoding="utf-8")
            sys.stdout.flush()
            # LibFuzzer goes on until it is stopped.
            os._exit(0)

    limits = ["-rss_limit_mb=4096", "-max_len=512", "-handle_alrm=0", "-close_fd_mask=0", "-verbosity=0"]
    arguments = [sys.argv[0], str(corpus), f"-dict={words}", f"-seed={seed}", *limits]
    atheris.Setup(arguments, feed, enable_python_coverage=True)
    atheris.Fuzz()
    return 0


def _words(target: Any) -> list[bytes]:
    from hostile_inputs import STRANGE

    texts = [*target.fields, *(f'"{field}":' for field in target.fields), *STRANGE]
    return [word for text in texts if 0 < len(word := text.encode("utf-8", "surrogatepass")) <= 64]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
