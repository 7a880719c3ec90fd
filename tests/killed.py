"""Run a recipe again and again in child processes, SIGKILL each at a random moment, let it resume; print the hashes.

Started by ``test_kill.py`` in a process of its own: the children are forked from it with everything already imported.
"""

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from synthgen.api import execute
from synthgen.plms.engines import scripted
from synthgen.recipe import Recipe, read_recipe
from synthgen.records import Request


def run(recipe: Recipe, out: Path) -> None:
    execute(recipe, out=out, resume="if-possible")


def child(recipe: Recipe, out: Path) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        run(recipe, out)
        code = 0
    finally:
        os._exit(code)


def finish(recipe: Recipe, out: Path) -> str:
    began = time.monotonic()
    _, status = os.waitpid(child(recipe, out), 0)
    assert status == 0, f"the run in {out.name} failed"
    print(f"# {time.monotonic() - began:.1f} s", flush=True)
    return hashlib.sha256((out / "dataset" / "train.parquet").read_bytes()).hexdigest()


def kill_once(recipe: Recipe, out: Path, after: float) -> None:
    pid = child(recipe, out)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main() -> None:
    recipe, folder, times, seed = read_recipe(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    plain = scripted.default_script

    def slow(request: Request) -> str:
        time.sleep(0.002)
        return plain(request)

    scripted.open_scripted = lambda plm, note: scripted.ScriptedEngine(slow)  # type: ignore[assignment]
    began = time.monotonic()
    print(finish(recipe, folder / "undisturbed"), flush=True)
    lasted = time.monotonic() - began
    draw = random.Random(seed)
    for number in range(times):
        out = folder / str(number)
        kill_once(recipe, out, draw.uniform(0, lasted))
        print(finish(recipe, out), flush=True)


if __name__ == "__main__":
    main()
