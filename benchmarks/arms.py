"""FuseGen beside its ablations and controls, at the same total number of samples, over several seeds.

    python benchmarks/arms.py --gold imdb.test.jsonl.gz --seeds 5 --jobs 2 --out .work/arms.jsonl
    python benchmarks/arms.py --table .work/arms.jsonl

Every arm is an ordinary recipe, run through the ordinary loop into a folder of its own. Results are appended a line a
run, so that an interrupted benchmark goes on where it was.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PLMS = ("gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5")


def arms(total: int) -> dict[str, dict[str, Any]]:
    """Return the settings of each arm: ``total`` samples in all, whatever the number of PLMs."""
    share = total // len(PLMS)
    union: dict[str, Any] = {"plms": PLMS, "samples": share}
    no_feedback = {"rounds": 0, "options": {"weigh": "uniform"}}
    return {
        "fusegen": union,
        "without influence": {**union, "options": {"select": "cartography"}},
        "random demonstrations": {**union, "options": {"select": "random"}},
        "without weight adjustment": {**union, "options": {"weigh": "uniform"}},
        "without curation": {**union, "curate": False},
        "zero-shot union": {**union, **no_feedback},
        **{f"{plm} alone": {"plms": (plm,), "samples": total} for plm in PLMS},
    }


def run_seed(seed: int, names: list[str], given: argparse.Namespace) -> None:
    """Run the named arms for one seed; the STM and the gold texts it has seen are shared by them all."""
    import torch

    from synthgen.assemble import assemble, describe
    from synthgen.events import ignore
    from synthgen.evolve import evolve
    from synthgen.recipe import make_recipe
    from synthgen.runs.folder import prepare_run
    from synthgen.shelf import Shelf

    torch.set_num_threads(1)
    shelf = Shelf()
    for name in names:
        settings = {"method": "fusegen", "task": "imdb", "profile": "pocket", "seed": seed, "gold": given.gold}
        recipe = make_recipe({**settings, **arms(given.total)[name]})
        parts = assemble(recipe, shelf=shelf)
        folder = Path(tempfile.mkdtemp(prefix="arm-"))
        with prepare_run(recipe, describe(recipe, parts), out=folder, resume="never") as run:
            metrics = evolve(recipe, parts, run, ignore)
        row = {"arm": name, "seed": seed, "total": given.total, **metrics}
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shutil.rmtree(folder)


def run_missing(
    run: Callable[[int, list[str]], None], given: argparse.Namespace, done: Collection[tuple[str, int]]
) -> None:
    """Call ``run(seed, arms)`` for the arms of each seed that are not ``done``, ``given.jobs`` seeds side by side."""
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = [
            pool.submit(run, seed, missing)
            for seed in range(given.seeds)
            if (missing := [name for name in given.arms if (name, seed) not in done])
        ]
        for one in waiting:
            one.result()


def rows(path: Path) -> list[dict[str, Any]]:
    """Read the results so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table: mean, standard deviation, and the paired difference to FuseGen, in points."""
    fusegen = {row["seed"]: row["accuracy"] for row in results if row["arm"] == "fusegen"}
    yield "| arm | seeds | accuracy | sd | FuseGen minus arm (points, mean ± s.e.) |"
    yield "|---|---|---|---|---|"
    for name in dict.fromkeys(row["arm"] for row in results):
        found = {row["seed"]: row["accuracy"] for row in results if row["arm"] == name}
        gaps = [100 * (fusegen[seed] - value) for seed, value in found.items() if seed in fusegen]
        spread = f"{stdev(found.values()):.4f}" if len(found) > 1 else "–"
        error = f" ± {stdev(gaps) / len(gaps) ** 0.5:.2f}" if len(gaps) > 1 else ""
        gap = "–" if name == "fusegen" or not gaps else f"{mean(gaps):+.2f}{error}"
        yield f"| {name} | {len(found)} | {mean(found.values()):.4f} | {spread} | {gap} |"


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", default="../shared/data/imdb.test.jsonl.gz")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--total", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--arms", nargs="*", default=list(arms(3000)))
    parser.add_argument("--out", type=Path, default=Path(".work/arms.jsonl"))
    parser.add_argument("--table", type=Path, help="only print the table of these results")
    given = parser.parse_args()
    if given.table is None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        done = {(row["arm"], row["seed"]) for row in rows(given.out) if row["total"] == given.total}
        run_missing(partial(run_seed, given=given), given, done)
    print("\n".join(table(rows(given.table or given.out))))


if __name__ == "__main__":
    main()
