"""Label ids in private files are the task's, and a task's are those of its Hub dataset."""

import json
from pathlib import Path

import pytest

from synthgen.embedders.registry import make_embedder
from synthgen.errors import UserError
from synthgen.privacy.parties import read_records
from synthgen.tasks.gold_labels import known_labels
from synthgen.tasks.registry import load_task

TEN, ALL = load_task("banking77-10"), load_task("banking77")


def file(folder: Path, labels: list[int | str]) -> list[str]:
    rows = [{"text": f"Question number {place}?", "label": label} for place, label in enumerate(labels)]
    (folder / "private.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return [str(folder / "private.jsonl")]


def test_ids_are_those_of_the_whole_dataset_where_a_task_has_some_of_its_labels(tmp_path: Path) -> None:
    ids = [ALL.labels.index(label) for label in TEN.labels]
    assert ids != list(range(10)), "else this shows nothing"
    records = read_records(
        file(tmp_path, [*ids, *TEN.labels]), TEN.labels, make_embedder("words"), known=known_labels(TEN)
    )
    assert records.labels.tolist() == [*range(10), *range(10)]


def test_a_label_of_the_dataset_that_the_task_leaves_out_is_a_mistake(tmp_path: Path) -> None:
    path = file(tmp_path, [TEN.labels[0], "wrong_exchange_rate_for_cash_withdrawal"])
    with pytest.raises(UserError, match=r"^Private file private\.jsonl has labels that the task does not have; its"):
        read_records(path, TEN.labels, make_embedder("words"), known=known_labels(TEN))
