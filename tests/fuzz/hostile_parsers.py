"""What reads a user's files: recipes, tasks, labelled files, pools, private files, datasets."""

import math
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hostile_inputs import dumped
from hostile_places import REPOSITORY, imdb, pairs, written
from hostile_target import Target

from synthgen.datasets import read_dataset
from synthgen.plms.resolve import can_name
from synthgen.pool import read_pool
from synthgen.privacy.parties import private_labels
from synthgen.recipe import Privacy, Recipe, make_recipe, read_recipe
from synthgen.tasks.check import check_file
from synthgen.tasks.gold import load_gold, read_labelled
from synthgen.tasks.registry import load_task
from synthgen.tasks.schema import Attributes, CurateRules, GoldSource, Prompts
from synthgen.tasks.task import Task

ROWS = [
    {
        "text": f"A film of {number} good acts, and nothing but acts.", "label": label, "plm": plm, "weight": 0.5,
        "id": str(number),
    }
    for number, (label, plm) in enumerate([("negative", "gpt2"), ("positive", "opt"), ("positive", "gpt2")])
]  # fmt: skip
LINES = b"\n".join(map(dumped, ROWS)) + b"\n"
PAIRED = b"\n".join(dumped({**row, "text_pair": "And then?", "label": n % 2}) for n, row in enumerate(ROWS)) + b"\n"
CSV = b'text,label\n"A film, a good one.",positive\n"A film ""so so"".",negative\nBad,0\n'
COLUMNS = ("text", "text_pair", "label", "plm", "attribute", "weight", "id")


def recipes() -> Target:
    """Recipe files: what is taken says the same again when it is written and read back."""
    seeds = [path.read_bytes() for path in sorted((REPOSITORY / "recipes").glob("*.yaml"))[:4]]
    known = make_recipe({"task": "imdb"})
    return Target(
        "recipe", _read_recipe, [*seeds, known.to_yaml().encode(), dumped(known.model_dump(mode="json"))],
        (*Recipe.model_fields, *Privacy.model_fields, "pocket", "paper", "fusegen"), million=20_000,
    )  # fmt: skip


def _read_recipe(data: bytes) -> None:
    recipe = read_recipe(written("recipe.yaml", data))
    again = make_recipe(yaml.safe_load(recipe.to_yaml()))
    assert recipe.to_yaml() == again.to_yaml()


def tasks() -> Target:
    """Task files: every problem has a place and a sentence; a task that is taken makes its prompts."""
    seeds = [(REPOSITORY / "prompts" / f"{name}.yaml").read_bytes() for name in ("imdb", "qnli", "yelp-rating")]
    fields = [*Task.model_fields, *Prompts.model_fields, *CurateRules.model_fields, *GoldSource.model_fields]
    return Target(
        "task", _read_task, [*seeds, dumped(imdb().model_dump(mode="json")), dumped(pairs().model_dump(mode="json"))],
        (*fields, *Attributes.model_fields, "field", "{label}", "{text}", "{first}"), million=20_000,
    )  # fmt: skip


def _read_task(data: bytes) -> None:
    path = written("task.yaml", data)
    checked = check_file(path, context=512, gold=False)
    for problem in checked.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.sentence
    assert (checked.task is None) == bool([one for one in checked.errors if checked.task is None])
    if checked.task is None:
        load_task(str(path))
        raise AssertionError("a task with errors was loaded")
    for label in checked.task.labels:
        demonstrations = ["{label} {text} {x.__class__}", "}{"]
        for prompt in (
            checked.task.zero_shot(label),
            checked.task.few_shot(label, demonstrations),
            checked.task.contrastive(label, demonstrations, demonstrations),
        ):
            assert checked.task.as_sent(prompt)


def jsonl() -> Target:
    """Gold data in JSONL, for a task of single texts."""
    return Target("jsonl", _gold, [LINES, PAIRED], COLUMNS, million=120_000, guided=True)


def _gold(data: bytes) -> None:
    gold = load_gold(imdb(), str(written("gold.jsonl", data)), pocket=True)
    assert gold is not None
    assert set(gold.labels) <= set(imdb().labels)
    for text in gold.texts:
        assert text.strip()
        text.encode()


def paired() -> Target:
    """Gold data in JSONL, for a task of pairs."""
    return Target(
        "pairs", lambda data: load_gold(pairs(), str(written("pairs.jsonl", data)), pocket=True), [PAIRED], COLUMNS,
        million=60_000, guided=True,
    )  # fmt: skip


def delimited() -> Target:
    """Gold data in CSV."""
    return Target(
        "csv", lambda data: load_gold(imdb(), str(written("gold.csv", data)), pocket=True), [CSV], ("text", "label"),
        million=100_000, guided=True,
    )  # fmt: skip


def zipped() -> Target:
    """Gold data in gzipped JSONL."""
    import gzip

    return Target(
        "gzip", lambda data: load_gold(imdb(), str(written("gold.jsonl.gz", data)), pocket=True),
        [gzip.compress(LINES, mtime=0)], million=30_000,
    )  # fmt: skip


def pools() -> Target:
    """Pools: whoever wrote a text can be the name of a file."""

    def feed(data: bytes) -> None:
        pool = read_pool([str(written("pool.jsonl", data))], imdb())
        assert all(can_name(plm) for plm in pool.plms)

    return Target("pool", feed, [LINES], COLUMNS, million=80_000, guided=True)


def private() -> Target:
    """Private files, with the task known and not: no sentence quotes a text."""

    def feed(data: bytes) -> None:
        path = written("private.jsonl", data)
        private_labels([str(path)])
        read_labelled(path, imdb().labels, what="private", secret=True)

    return Target("private", feed, [LINES, LINES * 2], COLUMNS, million=60_000, guided=True)


def datasets() -> Target:
    """Datasets in JSONL: as many of each column, and weights that can be learned with."""

    def feed(data: bytes) -> None:
        columns = read_dataset(written("data.jsonl", data), imdb())
        assert len({len(column) for column in columns.values()}) == 1
        assert all(math.isfinite(weight) and weight >= 0 for weight in columns["weight"])

    return Target("dataset", feed, [LINES], COLUMNS, million=60_000, guided=True)


@cache
def parquet_seed() -> bytes:
    """Return a dataset in Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: [row[name] for row in ROWS] for name in ROWS[0]}), sink)
    return sink.getvalue().to_pybytes()


def parquet() -> Target:
    """Parquet that is damaged or lies, as a dataset and as gold."""

    def feed(data: bytes) -> None:
        path = written("data.parquet", data)
        load_gold(imdb(), str(path), pocket=True)
        read_dataset(path, imdb())

    return Target("parquet", feed, [parquet_seed()], million=20_000)
