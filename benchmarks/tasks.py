"""Every bundled task that the pocket PLMs can serve, run on them and scored on real gold.

    python benchmarks/tasks.py --data FOLDER --seeds 3

FOLDER holds the gold files (JSONL, gzipped). A run is FuseGen's as the pocket profile has it, with fewer samples. The
majority label's share of gold is what a model reaches that has learned nothing. With --all also the tasks that the
pocket PLMs were not trained for: what they write there obeys the label little or not at all.
"""

import argparse
from collections import Counter
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from synthgen.api import execute
from synthgen.errors import SynthgenError
from synthgen.recipe import make_recipe
from synthgen.tasks.gold import load_gold
from synthgen.tasks.registry import load_task

GOLD = {
    "imdb": "imdb.test",
    "sst2": "sst2.test",
    "subj": "subj.test",
    "banking77": "banking77.test",
    "banking77-10": "banking77.test",
    "yelp": "yelp_sentences.test",
}
FOREIGN = {
    "agnews": "agnews.test",
    "markednews": "agnews.test",
    "yelp-category": "yelp_category.test",
    "yelp-rating": "yelp_rating.test",
    "qnli": "qnli.test",
    "mnli": "mnli.test",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=150, help="per PLM; six PLMs")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", nargs="*")
    given = parser.parse_args()
    print("| task | labels | samples | accuracy %, mean ± sd | macro-F1 % | majority % | gold |")
    print("|---|---|---|---|---|---|---|")
    for name, file in (GOLD | (FOREIGN if given.all else {})).items():
        if given.only and name not in given.only:
            continue
        path = given.data / f"{file}.jsonl.gz"
        try:
            print(row(name, path, given.samples, given.seeds), flush=True)
        except SynthgenError as error:
            print(f"| {name} | | | {error} | | | |", flush=True)


def row(name: str, path: Path, samples: int, seeds: int) -> str:
    task = load_task(name)
    gold = load_gold(task, str(path), pocket=True)
    assert gold is not None
    most = max(Counter(gold.labels).values()) / len(gold)
    metrics = []
    # A label needs one sample in every batch of some PLM, many labels need more.
    each = max(samples, 5 * len(task.labels) * 2)
    for seed in range(1, seeds + 1):
        settings = {"task": name, "gold": str(path), "samples": each, "seed": seed}
        with TemporaryDirectory() as folder:
            metrics.append(execute(make_recipe(settings), out=Path(folder) / "run").metrics)
    accuracies = [100 * one["accuracy"] for one in metrics]
    spread = f" ± {stdev(accuracies):.2f}" if seeds > 1 else ""
    return (
        f"| {name} | {len(task.labels)} | {metrics[0]['samples']:,} | {mean(accuracies):.2f}{spread} | "
        f"{100 * mean(one['macro_f1'] for one in metrics):.2f} | {100 * most:.2f} | {path.name} ({len(gold):,}) |"
    )


if __name__ == "__main__":
    main()
