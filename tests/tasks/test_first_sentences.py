"""Where the sentences that are given in tasks of pairs come from."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.errors import UserError
from synthgen.tasks.first_sentences import read_first_sentences
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

ROWS = [{"text": "b, c", "text_pair": "x"}, {"text": "a", "text_pair": "y"}, {"text": "b, c", "text_pair": "z"}]


def of_pairs(field: str = "text", **gold: Any) -> Task:
    asking, showing = '{first} {label}: "', "{text} {text_pair}"
    prompts = {"zero_shot": asking, "few_shot": "{demonstrations}" + asking, "contrastive": "{demonstrations}" + asking}
    prompts |= dict.fromkeys(("demonstration", "bad", "good"), showing)
    first = {"field": field, "prompt": 'A sentence: "'}
    return Task.model_validate(
        {
            "name": "own", "about": "x", "labels": ["yes", "no"], "prompts": prompts, "first": first,
            "gold": gold or None,
        }
    )  # fmt: skip


def written(path: Path, rows: list[dict[str, str]]) -> str:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return str(path)
    quoted = [",".join(f'"{cell}"' for cell in row.values()) for row in rows]
    text = {
        "txt": "\r\n".join(["", *(f"  {row['text']}" for row in rows), " "]),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "csv": "\n".join([",".join(rows[0]), *quoted]),
        "tsv": "\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]),
    }[kind]
    data = b"\xef\xbb\xbf" + text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


@pytest.mark.parametrize(
    "name", ["a.txt", "a.txt.gz", "a.jsonl", "a.jsonl.gz", "a.csv", "a.tsv", "a.csv.gz", "a.parquet"]
)
def test_different_sentences_in_their_order(tmp_path: Path, name: str) -> None:
    source = written(tmp_path / name, ROWS)
    assert read_first_sentences(source, of_pairs()) == ("b, c", "a")
    if ".txt" not in name:
        assert read_first_sentences(source, of_pairs("text_pair")) == ("x", "y", "z")


def test_a_file_of_texts_serves_a_task_that_is_given_the_second(tmp_path: Path) -> None:
    source = written(tmp_path / "a.csv", [{"text": row["text"]} for row in ROWS])
    assert read_first_sentences(source, of_pairs("text_pair")) == ("b, c", "a")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", b" \n\n", "First-sentence file a.txt is empty; it needs one sentence a line"),
        ("a.txt", "fine\ncafé".encode("latin-1"), "Line 2 of first-sentence file a.txt is not UTF-8"),
        ("a.jsonl", b"", "first-sentence file a.jsonl is empty"),
        ("a.jsonl", b'{"text": "a"}\n{"text": " "}', "Line 2 of first-sentence file a.jsonl has a blank text"),
        ("a.csv", b"text\n", "First-sentence file a.csv is empty"),
        ("a.csv", b"sentence\nsecret words\n", "First-sentence file a.csv has no column text; name the"),
        ("a.txt.gz", b"not zipped", "is not a complete gzip file"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, text: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(UserError) as caught:
        read_first_sentences(str(tmp_path / name), of_pairs())
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_file_and_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no first-sentence file"):
        read_first_sentences(str(tmp_path / "none.txt"), of_pairs())
    with pytest.raises(ValueError, match="has no pairs"):
        read_first_sentences("gold", load_task("imdb"))


@pytest.mark.usefixtures("hub_cache")
def test_gold_gives_the_sentences_of_its_train_split(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    written(folder / "train.csv", ROWS)
    assert read_first_sentences("gold", of_pairs(hub=str(folder), text_pair="text_pair")) == ("b, c", "a")
    with pytest.raises(UserError, match=r"; pass --first-sentences FILE\.$"):
        read_first_sentences("gold", of_pairs(hub=str(folder), train="dev"))
