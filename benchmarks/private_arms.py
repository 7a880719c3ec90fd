"""Private methods beside their ablations and controls: equal promise, equal number of samples written, several seeds.

    python benchmarks/private_arms.py --task imdb --seeds 5 --jobs 2 --out .work/private.jsonl
    python benchmarks/private_arms.py --table .work/private.jsonl

The private samples are drawn anew for each seed, in equal shares over the labels, from real training data; gold is the
real test data of the task. Results are appended a line a run: an interrupted benchmark goes on where it was.
"""

import argparse
import gzip
import json
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml
from arms import PLMS, rows, run_missing

EPSILONS = (1.0, 4.0, 8.0, float("inf"))
ONE_VOTE = {"votes": 1, "contrast": False, "plm_weights": False, "release": "votes"}
WASP = {
    "wasp": {},
    "wasp, votes released": {"release": "votes"},
    "wasp without contrast": {"contrast": False},
    "wasp without PLM weights": {"plm_weights": False},
    "wasp, top-Q only": {"contrast": False, "plm_weights": False},
    "wasp, one vote": ONE_VOTE,
}


def arms() -> dict[str, dict[str, Any]]:
    """Return the settings of each arm, named with its epsilon."""
    made: dict[str, dict[str, Any]] = {
        "no private data (zero-shot)": {"method": "fusegen", "rounds": 0, "options": {"weigh": "uniform"}},
        "random demonstrations": {"method": "fusegen", "options": {"select": "random", "weigh": "uniform"}},
        "random prototypes": {"method": "pcevolve", "options": {"select": "random", "release": "all"}},
    }
    for epsilon in EPSILONS:
        at = f" at {epsilon:g}"
        for name, options in WASP.items():
            if epsilon == 4 or name in {"wasp", "wasp, votes released"}:
                made[name + at] = {"method": "wasp", "options": options, "epsilon": epsilon}
        for method in ("augpe", "pcevolve"):
            made[method + at] = {"method": method, "epsilon": epsilon}
            made[f"{method}, all kept" + at] = {"method": method, "epsilon": epsilon, "options": {"release": "all"}}
    return made


def read(path: Path) -> list[dict[str, Any]]:
    """Read JSONL, gzipped."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def restricted(given: argparse.Namespace, folder: Path) -> tuple[str, Path, list[dict[str, Any]], list[str]]:
    """Return task, gold file, training rows and label names; with ``--only`` files of their own with some labels."""
    from synthgen.tasks.registry import load_task, prompts_folder

    names = list(load_task(given.task).labels)
    train, gold = read(given.data / f"{given.task}.train.jsonl.gz"), given.data / f"{given.task}.test.jsonl.gz"
    if given.only is None:
        return given.task, gold, train, names
    first, _, last = given.only.partition("-")
    kept = range(int(first), int(last) + 1)
    whole = yaml.safe_load((prompts_folder() / f"{given.task}.yaml").read_text(encoding="utf-8"))
    whole["labels"] = [names[label] for label in kept]
    (folder / "task.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    rows = [{"text": row["text"], "label": names[row["label"]]} for row in read(gold) if row["label"] in kept]
    (folder / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder / "task.yaml"), folder / "gold.jsonl", [row for row in train if row["label"] in kept], names


def draw_private(
    train: list[dict[str, Any]], names: list[str], count: int, seed: int, folder: Path, parties: int, dirichlet: float
) -> tuple[str, ...]:
    """Write ``count`` real texts, the labels in equal shares, with label names, a file a party; return the files."""
    from synthgen.privacy.skew import deal_to_parties

    by_label = defaultdict(list)
    for row in train:
        by_label[row["label"]].append(row["text"])
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        label = sorted(by_label)[number % len(by_label)]
        text = by_label[label].pop(draw.randrange(len(by_label[label])))
        rows.append({"text": text, "label": names[label]})
    party = deal_to_parties([row["label"] for row in rows], parties, dirichlet=dirichlet, seed=seed)
    paths = []
    for number in sorted(set(party.tolist())):
        path = folder / f"private-{number}.jsonl"
        own = [json.dumps(row) + "\n" for row, one in zip(rows, party, strict=True) if one == number]
        path.write_text("".join(own), encoding="utf-8")
        paths.append(str(path))
    return tuple(paths)


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
    folder = Path(tempfile.mkdtemp(prefix="arms-"))
    task, gold, train, label_names = restricted(given, folder)
    private = draw_private(train, label_names, given.private, seed, folder, given.parties, given.dirichlet)
    shelf = Shelf()
    for name in names:
        settings = dict(arms()[name])
        settings |= {"task": task, "profile": "pocket", "seed": seed, "plms": PLMS, "samples": given.total // 6}
        settings["gold"] = str(gold)
        if settings["method"] != "fusegen":
            epsilon = settings.pop("epsilon", 4.0)
            settings["private"] = private
            settings["privacy"] = {"epsilon": epsilon, "enabled": epsilon != float("inf")}
        recipe = make_recipe(settings)
        parts = assemble(recipe, shelf=shelf)
        with prepare_run(recipe, describe(recipe, parts), out=folder / "run", resume="never") as run:
            metrics = evolve(recipe, parts, run, ignore)
        row = {"arm": name, "seed": seed, "task": given.task, "total": given.total, "private": given.private, **metrics}
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shutil.rmtree(folder / "run")
    shutil.rmtree(folder)


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table: mean and spread, and WASP at epsilon 4 minus the arm, paired by seed, in points."""
    wasp = {row["seed"]: row["accuracy"] for row in results if row["arm"] == "wasp at 4"}
    yield "| arm | seeds | accuracy | sd | samples kept | WASP at 4 minus arm (points, mean ± s.e.) |"
    yield "|---|---|---|---|---|---|"
    order = list(arms())
    for name in sorted({row["arm"] for row in results}, key=order.index):
        found = {row["seed"]: row["accuracy"] for row in results if row["arm"] == name}
        kept = mean(row["samples"] for row in results if row["arm"] == name)
        gaps = [100 * (wasp[seed] - value) for seed, value in found.items() if seed in wasp]
        spread = f"{stdev(found.values()):.4f}" if len(found) > 1 else "–"
        error = f" ± {stdev(gaps) / len(gaps) ** 0.5:.2f}" if len(gaps) > 1 else ""
        gap = "–" if name == "wasp at 4" or not gaps else f"{mean(gaps):+.2f}{error}"
        yield f"| {name} | {len(found)} | {mean(found.values()):.4f} | {spread} | {kept:.0f} | {gap} |"


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--task", default="imdb")
    parser.add_argument("--only", help="positions of the labels to keep, such as 1-10 (WASP's ten of banking77)")
    parser.add_argument("--private", type=int, default=100)
    parser.add_argument("--parties", type=int, default=1)
    parser.add_argument(
        "--dirichlet", type=float, default=1.0, help="evenness of the parties' labels; 0: one label each"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--total", type=int, default=1200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--arms", nargs="*", default=list(arms()))
    parser.add_argument("--out", type=Path, default=Path(".work/private.jsonl"))
    parser.add_argument("--table", type=Path, help="only print the table of these results")
    given = parser.parse_args()
    if given.table is None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        done = {(row["arm"], row["seed"]) for row in rows(given.out) if row["task"] == given.task}
        run_missing(partial(run_seed, given=given), given, done)
    print("\n".join(table(rows(given.table or given.out))))


if __name__ == "__main__":
    main()
