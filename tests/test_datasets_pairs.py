"""Datasets of pairs that are no runs: read, trained on, scored and compared as pairs."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.datasets import dataset_dynamics, evaluate_dataset, read_dataset, whole_texts
from synthgen.errors import UserError
from synthgen.tasks.registry import load_task
from synthgen.text import Pair

TASK = "qnli"


def pairs(count: int) -> list[dict[str, Any]]:
    """Return pairs whose label only the second sentence tells."""
    answers = ("It was built there in a year of many", "Nobody has any word on the matter of")
    return [
        {"text": f"When was {n} built?", "text_pair": f"{answers[n % 2]} {n}.", "label": n % 2} for n in range(count)
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
def test_read(tmp_path: Path, name: str) -> None:
    found = read_dataset(written(tmp_path / name, pairs(4)), load_task(TASK))
    assert found["text_pair"] == [row["text_pair"] for row in pairs(4)]
    first = whole_texts(found)[0]
    assert isinstance(first, Pair)
    assert (first.text, first.text_pair) == (pairs(1)[0]["text"], pairs(1)[0]["text_pair"])


def test_trained_and_scored_and_compared_as_pairs(tmp_path: Path) -> None:
    data, gold = written(tmp_path / "data.parquet", pairs(60)), written(tmp_path / "gold.jsonl", pairs(20))
    found = evaluate_dataset(data, TASK, gold=str(gold), reference=gold)
    # By the first sentences alone it would be a coin's toss.
    assert (found["accuracy"], found["samples"]) == (1.0, 60)
    assert found["quality"]["frechet"]["texts"] == [60, 20]
    other = written(tmp_path / "other.jsonl", [{**row, "text_pair": "Something else is said."} for row in pairs(20)])
    further = evaluate_dataset(data, TASK, gold=str(gold), reference=other)
    assert further["quality"]["frechet"]["distance"] > found["quality"]["frechet"]["distance"]
    assert dataset_dynamics(data, TASK).num_rows == 60


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
def test_pairs_and_single_texts_do_not_mix(tmp_path: Path, name: str) -> None:
    single = [{"text": row["text"], "label": row["label"]} for row in pairs(4)]
    with pytest.raises(UserError, match="has no text_pair, and the samples of task qnli are pairs"):
        read_dataset(written(tmp_path / name, single), load_task(TASK))
    with pytest.raises(UserError, match="has a text_pair, and the samples of task imdb are single texts"):
        read_dataset(written(tmp_path / name, pairs(4)), load_task("imdb"))
    with pytest.raises(UserError, match=r"3 of .*differ in having a text_pair"):
        read_dataset(written(tmp_path / name, [*pairs(2), {**pairs(1)[0], "text_pair": None}]), load_task(TASK))
    nulls = written(tmp_path / name, [{**row, "text_pair": None} for row in pairs(4)])
    assert "text_pair" not in read_dataset(nulls, load_task("imdb"))


def test_a_reference_of_pairs_has_pairs(tmp_path: Path) -> None:
    data, gold = written(tmp_path / "data.jsonl", pairs(20)), written(tmp_path / "gold.jsonl", pairs(20))
    single = written(tmp_path / "single.jsonl", [{"text": "one"}, {"text": "two"}])
    with pytest.raises(UserError, match=r"Line 1 of reference file single\.jsonl has no text_pair"):
        evaluate_dataset(data, TASK, gold=str(gold), reference=single)


def test_options_of_the_stm(tmp_path: Path) -> None:
    data, gold = written(tmp_path / "data.jsonl", pairs(20)), written(tmp_path / "gold.jsonl", pairs(20))
    with pytest.raises(UserError, match="STM tfidf has no options; remove epochs"):
        evaluate_dataset(data, TASK, gold=str(gold), stm_options={"epochs": 1})
