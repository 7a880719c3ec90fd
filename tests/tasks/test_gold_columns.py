"""Gold data whose columns and labels are called otherwise than in the task, in folders as ``datasets`` reads them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold, train_texts
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

pytestmark = pytest.mark.usefixtures("hub_cache")
PROMPTS = {
    "zero_shot": 'Said: {first} {label}: "',
    "demonstration": "{text} {text_pair}",
    "few_shot": '{demonstrations} {first} {label}: "',
    "bad": "{text} {text_pair}",
    "good": "{text} {text_pair}",
    "contrastive": '{demonstrations} {first} {label}: "',
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with nothing else in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def single(labels: list[str], **gold: Any) -> Task:
    prompts = load_task("imdb").prompts.model_dump()
    return Task.model_validate({"name": "own", "about": "texts", "labels": labels, "prompts": prompts, "gold": gold})


def of_pairs(field: str = "text", **gold: Any) -> Task:
    first = {"field": field, "prompt": 'A sentence: "'}
    return Task.model_validate(
        {"name": "own", "about": "x", "labels": ["yes", "no"], "prompts": PROMPTS, "first": first, "gold": gold}
    )


def folder(path: Path, columns: dict[str, list[Any]], classes: list[str] | None = None, split: str = "test") -> str:
    """Write columns as a Parquet folder; ``classes`` are the names of the column ``label``."""
    import datasets

    path.mkdir(exist_ok=True)
    table = datasets.Dataset.from_dict(columns)
    if classes:
        table = table.cast_column("label", datasets.ClassLabel(names=classes))
    table.to_parquet(path / f"{split}.parquet")
    return str(path)


def gold_of(task: Task) -> Gold:
    found = load_gold(task, None, pocket=False)
    assert found is not None
    return found


def test_names_map_class_names_in_any_order_and_many_to_one(data: Path) -> None:
    place = folder(data / "a", {"text": list("abc"), "label": [0, 1, 2]}, ["5 star", "1 star", "2 star"])
    names = {"1 star": "bad", "2 star": "bad", "5 star": "good"}
    assert gold_of(single(["bad", "good"], hub=place, names=names)).labels == ("good", "bad", "bad")


def test_a_map_that_leaves_out_a_class_or_names_no_label_is_refused(data: Path) -> None:
    place = folder(data / "a", {"text": list("abc"), "label": [0, 1, 2]}, ["high", "mid", "low"])
    with pytest.raises(UserError, match="labels that the task's gold does not map: mid"):
        gold_of(single(["bad", "good"], hub=place, names={"high": "good", "low": "bad"}))
    with pytest.raises(UserError, match="maps to labels that it does not have: fine"):
        gold_of(single(["bad", "good"], hub=place, names={"high": "fine"}))


@pytest.mark.parametrize("labels", [[1, 2, 2], ["1", "2", "2"]])
def test_numbers_that_are_mapped_are_no_ids(data: Path, labels: list[Any]) -> None:
    place = folder(data / "a", {"text": list("abc"), "label": labels})
    names = {"1": "bad", "2": "good"}
    assert gold_of(single(["bad", "good"], hub=place, names=names)).labels == ("bad", "good", "good")
    with pytest.raises(UserError, match="Row 2 of gold dataset"):
        gold_of(single(["bad", "good"], hub=place, names={"1": "bad"}))


@pytest.mark.parametrize("given", ["hub", "path", "file"])
def test_labels_of_another_task_and_rows_that_this_one_lacks(data: Path, given: str) -> None:
    every = load_task("banking77").labels
    own = (every[13], every[40])
    texts = [f"text {n}" for n in range(77)]
    lines = [json.dumps({"text": text, "label": n}) for n, text in enumerate(texts)]
    (data / "data.jsonl").write_text("\n".join(lines))
    sources: dict[str, dict[str, str]] = {
        "hub": {"hub": folder(data / "a", {"text": texts, "label": [*range(77)]}, [*every])},
        "path": {"path": str(data / "data.jsonl")},
        "file": {"hub": "owner/never-asked"},
    }
    task = single([*reversed(own)], labels_of="banking77", **sources[given])
    found = load_gold(task, str(data / "data.jsonl") if given == "file" else None, pocket=False)
    assert found is not None
    assert (found.texts, found.labels) == (("text 13", "text 40"), own)


def test_nothing_left_of_another_tasks_rows(data: Path) -> None:
    every = load_task("banking77").labels
    place = folder(data / "a", {"text": list("ab"), "label": [0, 1]}, [*every])
    with pytest.raises(UserError, match="has no text with a label of task own"):
        gold_of(single([every[5], every[6]], hub=place, labels_of="banking77"))


@pytest.mark.parametrize("given", ["hub", "file"])
def test_relabelled_by_what_a_text_contains(data: Path, given: str) -> None:
    columns: dict[str, list[Any]] = {
        "text": ["a goal", "$5 for a goal", "a bank", "a bank of $"],
        "label": [0, 0, 1, 1],
    }
    (data / "data.jsonl").write_text(
        "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
    )
    place = folder(data / "a", columns, ["sport", "trade"])
    rules = [{"label": "money", "contains": "$"}, {"label": "sport", "contains": "$5"}]
    task = single(["sport", "trade", "money"], hub=place, relabel=rules)
    found = load_gold(task, str(data / "data.jsonl") if given == "file" else None, pocket=False)
    assert found is not None
    assert found.labels == ("sport", "money", "trade", "money")
    with pytest.raises(UserError, match="no label 'money'"):
        gold_of(single(["sport", "trade"], hub=place, relabel=rules))


def test_several_columns_are_one_text_and_some_may_be_blank(data: Path) -> None:
    columns: dict[str, list[Any]] = {
        "title": ["A", "B", None, ""],
        "body": ["a b", "", "c", "d"],
        "label": [0, 1, 0, 1],
    }
    task = single(["x", "y"], hub=folder(data / "a", columns), text=["title", "body"])
    assert gold_of(task).texts == ("A a b", "B", "c", "d")
    columns["body"][3] = None
    with pytest.raises(UserError, match=r"Row 4 of gold dataset .* has neither title nor body"):
        gold_of(single(["x", "y"], hub=folder(data / "b", columns), text=["title", "body"]))


def test_pairs_where_the_task_has_them_and_nowhere_else(data: Path) -> None:
    columns: dict[str, list[Any]] = {"premise": ["p", "q"], "claim": ["r", "s"], "label": [0, 1]}
    place = folder(data / "a", columns, ["yes", "no"])
    found = gold_of(of_pairs(hub=place, text="premise", text_pair="claim"))
    assert (found.texts, found.text_pairs, found.labels) == (("p", "q"), ("r", "s"), ("yes", "no"))
    with pytest.raises(UserError, match="has no text_pair, and the samples of task own are pairs"):
        gold_of(of_pairs(hub=place, text="premise"))
    with pytest.raises(UserError, match="has a text_pair, and the samples of task own are single texts"):
        gold_of(single(["yes", "no"], hub=place, text="premise", text_pair="claim"))
    with pytest.raises(UserError, match="has no column hypothesis; it has premise, claim, label"):
        gold_of(of_pairs(hub=place, text="premise", text_pair="hypothesis"))


def test_a_folder_beside_the_task_file(data: Path) -> None:
    folder(data, {"text": ["a", "b"], "label": [0, 1]}, ["y", "x"])
    found = gold_of(single(["x", "y"], path=str(data)))
    assert (found.labels, found.source) == (("y", "x"), "file:data/test")


def test_a_configuration_is_named(data: Path) -> None:
    for name in ("one", "two"):
        (data / name).mkdir()
        (data / name / "test.csv").write_text(f"text,label\na {name},x\nb,y\n")
    (data / "README.md").write_text(
        "---\nconfigs:\n- config_name: one\n  data_files: one/*.csv\n- config_name: two\n  data_files: two/*.csv\n---\n"
    )
    for options in ({}, {"limit": 9}):
        found = gold_of(single(["x", "y"], hub=str(data), config="two", split="train", **options))
        assert (found.texts, found.source) == (("a two", "b"), f"hub:{data}/two/train")


@pytest.mark.parametrize("limit", [None, 9])
def test_csv_cells_are_text_whatever_they_look_like(data: Path, limit: int | None) -> None:
    (data / "test.csv").write_text('text,label\nNA,x\nnull,y\n"a ""word"",\nnan",x\n')
    assert gold_of(single(["x", "y"], hub=str(data), limit=limit)).texts == ("NA", "null", 'a "word",\nnan')
    (data / "test.csv").write_text("text,label\na,x\n,y\n")
    with pytest.raises(UserError, match=r"Row 2 of gold dataset .* blank text"):
        gold_of(single(["x", "y"], hub=str(data), limit=limit))


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_limit_takes_the_same_rows_of_all_labels_every_time(data: Path, kind: str) -> None:
    # Sorted by label, as many test splits are.
    rows = [{"text": f"text {n}", "label": "xy"[n >= 1_500]} for n in range(3_000)]
    lines = {"csv": ["text,label", *(",".join(row.values()) for row in rows)], "jsonl": map(json.dumps, rows)}
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), data / "test.parquet")
    else:
        (data / f"test.{kind}").write_text("\n".join(lines[kind]) + "\n")
    task = single(["x", "y"], hub=str(data), limit=400)
    found = gold_of(task)
    assert found == gold_of(task)
    assert found.source == f"hub:{data}/test (400 of it)"
    assert len(set(found.texts)) == 400
    assert all(
        (int(text.split()[1]) < 1_500) == (label == "x") for text, label in zip(found.texts, found.labels, strict=True)
    )
    assert min(Counter(found.labels).values()) > 150
    # The sample does not depend on how the rows are kept.
    own = gold_of(single(["x", "y"], path=str(data / f"test.{kind}"), limit=400))
    assert (own.texts, own.source) == (found.texts, f"file:test.{kind} (400 of it)")


def test_what_streams_says_what_is_wrong_and_quotes_no_text(data: Path) -> None:
    (data / "test.csv").write_text("text,label\na,x\na secret, of mine,y,z\n")
    for limit in (None, 5):
        with pytest.raises(UserError, match=r"cannot be loaded: Error tokenizing.*line 3") as caught:
            gold_of(single(["x", "y"], hub=str(data), limit=limit))
        assert "secret" not in str(caught.value)
    (data / "test.csv").write_text("text,label\na,x\nb,y\n")
    for limit in (None, 5):
        with pytest.raises(UserError, match=r"cannot be loaded: .*dev"):
            gold_of(single(["x", "y"], hub=str(data), split="dev", limit=limit))
        with pytest.raises(UserError, match="has no column sentence; it has text, label"):
            gold_of(single(["x", "y"], hub=str(data), limit=limit, text="sentence"))


def test_first_sentences_come_without_labels_even_where_those_cannot_be_read(data: Path) -> None:
    texts = [f"sentence {n}" for n in range(200)]
    table = pa.table(
        {"premise": texts, "claim": [text.upper() for text in texts], "label": [f"l{n:04}" for n in range(200)]}
    )
    path = data / "train.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    stored = bytearray(path.read_bytes())
    stored[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = bytes(
        column.total_compressed_size
    )
    path.write_bytes(stored)
    with pytest.raises(OSError, match=r"."):
        pq.read_table(path)
    gold = {"hub": str(data), "text": "premise", "text_pair": "claim"}
    assert train_texts(of_pairs(**gold)) == texts
    assert train_texts(of_pairs("text_pair", **gold)) == [text.upper() for text in texts]
    assert train_texts(of_pairs(**gold, limit=7)) != texts[:7]
    assert len(train_texts(of_pairs(**gold, limit=7))) == 7


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_first_sentences_of_data_that_have_no_label(data: Path, kind: str) -> None:
    rows = {
        "csv": "premise\na\n\nb c\n",
        "jsonl": '{"premise": "a"}\n{"premise": " "}\n{"premise": null}\n{"premise": "b c"}\n',
    }
    (data / f"train.{kind}").write_text(rows[kind])
    assert train_texts(of_pairs(hub=str(data), text="premise", text_pair="claim")) == ["a", "b c"]


def test_first_sentences_that_cannot_be_had(data: Path) -> None:
    (data / "test.csv").write_text("text,text_pair,label\na,b,yes\n")
    (data / "blank").mkdir()
    (data / "blank" / "train.jsonl").write_text('{"text": " "}\n{"text": ""}\n')
    for source in ({"hub": str(data)}, {"path": "gold.csv"}, {"hub": str(data / "blank")}):
        with pytest.raises(UserError, match=r"; pass --first-sentences FILE\.$"):
            train_texts(of_pairs(**source))
    with pytest.raises(UserError, match="no train split"):
        train_texts(Task.model_validate({**of_pairs(hub="x").model_dump(), "gold": None}))


@pytest.mark.usefixtures("unreachable")
def test_first_sentences_of_a_hub_that_cannot_be_reached() -> None:
    with pytest.raises(UserError, match=r"gold dataset owner/pairs cannot be reached; pass --first-sentences FILE\.$"):
        train_texts(of_pairs(hub="owner/pairs"))
