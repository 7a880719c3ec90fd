"""Curate recorded generations and real texts; print the tables of docs/curation.md.

Run from the repository: python tools/study_curation.py [DATA_FOLDER] [--rejected FILE]
"""

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from synthgen.curate.curator import Curator
from synthgen.curate.reasons import Reason
from synthgen.records import Completion, Rejected, Request, Sample
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

PLMS = (
    "gpt2-xl",
    "llama-2-7b-chat-hf",
    "vicuna-7b-1.5v",
    "opt-6.7b",
    "chatglm3-6b-base",
    "flan-t5-xl",
)
SEEDS = (12345, 42)
# The recorded sets hold 200 zero-shot samples and then four rounds of 200.
ROUND = 200
REAL = ("mr.train", "sst2.train", "imdb.train", "subj.train", "banking77.train", "yelp_sentences.train")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a gzip JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def recorded_task(folder: Path) -> Task:
    """Return the imdb task with the prompts the recorded texts were written for."""
    zero_shot = json.loads((folder / "zeroshot_prompts.json").read_text())["fusegen/imdb-x2.json"]
    prompts = json.loads((folder / "fusegen_seed42" / "prompts.json").read_text())["tasks"]
    shown, instruction = next(iter(prompts.values()))["labels"]["0"]["instruction"].rsplit("\n", 1)
    imdb = load_task("imdb")
    wording = imdb.prompts.model_copy(
        update={
            "zero_shot": zero_shot["labels"]["0"]["instruction"].replace("positive", "{label}"),
            "demonstration": shown.split(":")[0] + ": {text}\n",
            "few_shot": "{demonstrations}\n" + instruction.replace("positive", "{label}"),
        }
    )
    return imdb.model_copy(update={"prompts": wording})


def judge(curator: Curator, plm: str, at: int, text: str, label: str) -> Sample | Rejected:
    """Judge a recorded text as if it had just ended with its closing quote."""
    request = Request(f"{plm}-{at}", plm, 0, label, "", at)
    return curator.judge(request, Completion(request.id, text, "stop", 0, 0))


def pools(folder: Path, task: Task) -> Iterator[tuple[str, list[Sample | Rejected]]]:
    """Judge each zero-shot pool as a run of its own."""
    for plm in PLMS:
        curator = Curator(task)
        files = sorted(folder.glob(f"{plm}.zeroshot.jsonl.gz"))
        yield (
            plm,
            [
                judge(curator, plm, at, row["C"], task.labels[1 - row["Y"]])
                for path in files
                for at, row in enumerate(rows(path))
            ],
        )


def feedback(folder: Path, task: Task, seed: int) -> dict[str, list[Sample | Rejected]]:
    """Judge a FuseGen set of six PLMs as one run, round by round, with the demonstrations of its prompts."""
    here = folder / f"fusegen_seed{seed}"
    shown = next(iter(json.loads((here / "prompts.json").read_text())["in_context_samples"].values()))
    texts = {plm: list(rows(here / f"{plm}.jsonl.gz")) for plm in PLMS}
    curator = Curator(task)
    verdicts: dict[str, list[Sample | Rejected]] = {plm: [] for plm in PLMS}
    for start in range(0, 1000, ROUND):
        curator.show([] if start == 0 else [sample["text"] for sample in shown])
        for plm in PLMS:
            for at in range(start, start + ROUND):
                row = texts[plm][at]
                verdicts[plm].append(judge(curator, plm, at, row["C"], task.labels[1 - row["Y"]]))
    return verdicts


def table(title: str, columns: dict[str, list[Sample | Rejected]]) -> None:
    """Print shares in percent, one column a source."""
    print(f"\n### {title}\n")
    print("| | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns))
    print("| texts | " + " | ".join(str(len(verdicts)) for verdicts in columns.values()) + " |")
    counts = [
        Counter(v.reason if isinstance(v, Rejected) else "accepted" for v in verdicts) for verdicts in columns.values()
    ]
    for reason in ("accepted", *Reason):
        shares = [100 * count[reason] / max(1, count.total()) for count in counts]
        if any(shares):
            print(f"| {reason} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")


def real(data: Path) -> dict[str, list[Sample | Rejected]]:
    """Judge real texts, without length limit: what is rejected here is a false alarm, a real copy or a real fault."""
    imdb = load_task("imdb")
    task = imdb.model_copy(update={"curate": imdb.curate.model_copy(update={"min_words": 1})})
    sources: dict[str, Iterable[str]] = {
        name: (row["text"] for row in rows(data / f"{name}.jsonl.gz")) for name in REAL
    }
    sources["imdb.train sentences"] = (
        part
        for at, row in enumerate(rows(data / "imdb.train.jsonl.gz"))
        if at < 2000
        for part in re.split(r"(?<=[.!?])\s+", row["text"].replace("<br />", " "))
        if len(part.split()) >= 4
    )
    verdicts = {}
    for name, texts in sources.items():
        curator = Curator(task)
        verdicts[name] = [judge(curator, name, at, text.replace('"', "'"), "positive") for at, text in enumerate(texts)]
    return verdicts


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rejected", type=Path, help="write the rejected texts here, to look at them")
    arguments = parser.parse_args()
    folder = arguments.data / "recorded" / "imdb"
    task = recorded_task(folder)
    start = time.process_time()
    tables = {"Zero-shot pools": dict(pools(folder, task))}
    for seed in SEEDS:
        tables[f"FuseGen set, seed {seed}"] = feedback(folder, task, seed)
    judged = sum(len(verdicts) for columns in tables.values() for verdicts in columns.values())
    rate = judged / (time.process_time() - start)
    tables["Real texts"] = real(arguments.data)
    for title, columns in tables.items():
        table(title, columns)
    print(f"\n{judged} recorded texts at {rate:.0f} texts per second of CPU, language identification included")
    if arguments.rejected:
        with arguments.rejected.open("w", encoding="utf-8") as out:
            for title, columns in tables.items():
                for name, verdicts in columns.items():
                    for verdict in verdicts:
                        if isinstance(verdict, Rejected):
                            out.write(
                                json.dumps([title, name, verdict.reason, verdict.text], ensure_ascii=False) + "\n"
                            )


if __name__ == "__main__":
    main()
