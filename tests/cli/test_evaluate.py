"""``evaluate`` on files as people have them: scores, and the figures of quality."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.conftest import Cli
from sklearn.metrics import f1_score

from synthgen.datasets import read_dataset
from synthgen.errors import UserError
from synthgen.evaluate import macro_f1
from synthgen.tasks.registry import load_task


def rows(count: int, **more: object) -> list[dict[str, object]]:
    words = ("dull poor weak sad", "bright fine strong glad")
    return [{"text": f"a {words[n % 2]} film about {n} people", "label": n % 2, **more} for n in range(count)]


def write(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write(tmp_path / "gold.jsonl", rows(20))


def test_figures_beside_accuracy(cli: Cli, tmp_path: Path, gold: Path) -> None:
    lines = [{**row, "plm": ("gpt2", "opt")[n % 3 == 0], "id": n, "weight": 0.5} for n, row in enumerate(rows(60))]
    data = write(tmp_path / "data.jsonl", [*lines, lines[0]])
    ran = cli("evaluate", data, "--task", "imdb", "--gold", gold, "--reference", gold, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["accuracy"], found["macro_f1"], found["samples"]) == (1.0, 1.0, 61)
    quality = found["quality"]
    assert quality["duplicates"] == pytest.approx(1 / 61)
    assert set(quality["by_plm"]) == {"gpt2", "opt"}
    assert quality["label_noise"]["share"] == 0
    assert (quality["frechet"]["reference"], quality["frechet"]["rough"]) == ("file:gold.jsonl", True)

    said = " ".join(cli("evaluate", data, "--task", "imdb", "--gold", gold, "--reference", gold).out.split())
    for words in ("accuracy % 100.00 on file:gold.jsonl (20 texts)", "macro-F1 % 100.00", "self-BLEU-4 %", "below 0."):
        assert words in said
    assert "duplicates % 1.64" in said


def test_scores_are_those_of_scikit_learn() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    for size in (2, 3, 6):
        truth, said = rng.integers(0, size, 40), rng.integers(0, max(2, size - 1), 40)
        assert macro_f1(truth, said) == pytest.approx(f1_score(truth, said, average="macro"))


def test_columns_of_a_file_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", rows(4, weight=2, plm="opt", id=7))
    found = read_dataset(path, None)
    assert (found["weight"], found["plm"], found["id"], found["label"]) == (
        [2.0] * 4, ["opt"] * 4, ["7"] * 4, ["0", "1", "0", "1"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"weight": -1}, "Line 1 of dataset file data.jsonl has a weight that is not a number of 0 or more"),
        ({"weight": "much"}, "weight"),
        ({"weight": 0}, "gives every text the weight 0"),
        ({"plm": ""}, "Line 1 of dataset file data.jsonl has a blank plm"),
        ({"label": 2}, "Line 1 of dataset file data.jsonl has the label id 2; the task's ids are 0 to 1"),
        ({"label": "positive"}, "fewer than two labels"),
    ],
)
def test_wrong_files(cli: Cli, tmp_path: Path, gold: Path, more: dict[str, object], says: str) -> None:
    data = write(tmp_path / "data.jsonl", rows(6, **more))
    ran = cli("evaluate", data, "--task", "imdb", "--gold", gold)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_column_is_on_every_line_or_on_none(cli: Cli, tmp_path: Path, gold: Path) -> None:
    data = write(tmp_path / "data.jsonl", [*rows(4), *rows(4, plm="opt")])
    ran = cli("evaluate", data, "--task", "imdb", "--gold", gold)
    assert "Line 5 of dataset file data.jsonl and the first differ in having a plm" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--reference", "none.jsonl"], "There is no reference file none.jsonl"),
        (["--reference", "gold.jsonl", "--embedder", "wrods"], "did you mean words?"),
    ],
)
def test_wrong_references(cli: Cli, tmp_path: Path, gold: Path, arguments: list[str], says: str) -> None:
    data = write(tmp_path / "data.jsonl", rows(6))
    ran = cli("evaluate", data, "--task", "imdb", "--gold", gold, *arguments)
    assert ran.code == 2
    assert says in ran.err


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": [0, 5, 1, 0]}, "Row 2 of data.parquet has the label id 5"),
        ({"label": [0, -1, 1, 0]}, "Row 2 of data.parquet has the label id -1"),
        ({"label": ["positive", None, "negative", "negative"]}, "Row 2 of data.parquet has no label"),
        ({"label": [0.0, 1.0, 1.0, 0.0]}, "Row 1 of data.parquet has a label"),
        ({"text": ["a b", None, "c d", "e f"]}, "Row 2 of data.parquet has no text"),
        ({"weight": [1.0, -1.0, 1.0, 1.0]}, "Row 2 of data.parquet has a weight"),
        ({"weight": [1.0, float("nan"), 1.0, 1.0]}, "Row 2 of data.parquet has a weight"),
        ({"weight": [None, 1.0, 1.0, 1.0]}, "Row 1 of data.parquet has a weight"),
        ({"plm": ["a", "a", None, "a"]}, "Row 3 of data.parquet has no plm"),
    ],
)
def test_a_wrong_value_in_parquet_is_told_with_its_row(
    columns: dict[str, list[Any]], said: str, tmp_path: Path
) -> None:
    whole = {"text": ["a b", "c d", "e f", "g h"], "label": [0, 1, 1, 0]} | columns
    pq.write_table(pa.table(whole), tmp_path / "data.parquet")
    with pytest.raises(UserError) as found:
        read_dataset(tmp_path / "data.parquet", load_task("imdb"))
    assert said in str(found.value)
