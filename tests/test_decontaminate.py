"""Samples that overlap gold or private texts do not get into the dataset, and nothing tells which private ones."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synthgen.api import execute
from synthgen.errors import SynthgenError
from synthgen.recipe import make_recipe
from synthgen.runs.read import Run, load_run

COPIED = "the projector hummed through a long winter evening while nobody in the little hall dared to breathe {}"
OWN = "sample {} speaks of walnut {} and of marble {} beside a river {} that no one has seen so far {}"
LABELS = ("negative", "positive")


def put(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def label(number: int) -> str:
    return LABELS[number % 2]


def texts_of(run: Run) -> list[str]:
    texts: list[str] = pq.read_table(run.path / "dataset" / "train.parquet")["text"].to_pylist()
    return texts


def a_run(folder: Path, *, copies: int = 6, **more: Any) -> Run:
    """Run on a pool of which ``copies`` texts hold thirteen words of gold, or of the private samples."""
    rows = [{"text": OWN.format(*[f"{n}{s}" for s in "abcde"]), "label": label(n), "plm": "gpt2"} for n in range(40)]
    rows += [{"text": COPIED.format(f"and so on {n} {n * 7}"), "label": label(n), "plm": "gpt2"} for n in range(copies)]
    settings: dict[str, Any] = {
        "method": "zerogen", "task": "imdb", "plms": ["gpt2=pool"], "samples": 40 + copies, "rounds": 0, "demos": 2,
        "candidates": 4, "gold": "none", "pool": [put(folder / "pool.jsonl", rows)], "curate": False,
    }  # fmt: skip
    execute(make_recipe(settings | more), out=folder / "run")
    return load_run(folder / "run")


def gold(folder: Path) -> str:
    rows = [{"text": COPIED.format("or not") + " at all", "label": "positive"}]
    rows += [{"text": f"A film about thing {n} and its sequel.", "label": label(n)} for n in range(9)]
    return put(folder / "gold.jsonl", rows)


def test_samples_that_hold_gold_are_left_out_and_counted(tmp_path: Path) -> None:
    run = a_run(tmp_path, gold=gold(tmp_path))
    assert run.metrics["decontamination"]["gold"] == {"removed": 6, "by": {"run": 6, "near": 0}, "texts": 10}
    assert len(texts_of(run)) == run.metrics["samples"] == 40
    assert not [text for text in texts_of(run) if "projector" in text]
    assert len([row for row in run.samples() if not row["weight"]]) == 6, "what was written is still on record"


def test_who_wants_them_keeps_them(tmp_path: Path) -> None:
    run = a_run(tmp_path, gold=gold(tmp_path), decontaminate={"gold": False})
    assert run.metrics["decontamination"]["gold"] is None
    assert len(texts_of(run)) == 46


def test_where_all_of_a_label_is_gold_the_run_says_so(tmp_path: Path) -> None:
    rows = [{"text": OWN.format(*[f"{n}{s}" for s in "abcde"]), "label": label(n)} for n in range(0, 40, 2)]
    path = put(tmp_path / "gold.jsonl", [*rows, {"text": "Another film altogether.", "label": "positive"}])
    with pytest.raises(SynthgenError, match=r"^All samples of negative overlap gold"):
        a_run(tmp_path, copies=0, gold=path)


@pytest.fixture
def private(tmp_path: Path) -> str:
    rows = [{"text": COPIED.format(f"SECRETWORD{n}"), "label": label(n)} for n in range(2)]
    rows += [{"text": f"SECRETWORD{n} is a film about thing {n}.", "label": label(n)} for n in range(2, 30)]
    return put(tmp_path / "private.jsonl", rows)


def test_samples_that_hold_private_texts_are_left_out_and_nothing_says_which(tmp_path: Path, private: str) -> None:
    more = {"method": "wasp", "private": [private], "plms": ["gpt2"], "engine": "scripted", "rounds": 1, "samples": 92}
    run = a_run(tmp_path, **more, privacy={"enabled": False, "epsilon": float("inf")})
    assert not [text for text in texts_of(run) if "projector" in text]
    assert run.metrics["decontamination"] == {"gold": None, "private": {"removed": 6}}, "nothing was promised"
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"SECRETWORD" in path.read_bytes()]


def test_the_promise_says_that_it_does_not_cover_the_filter(tmp_path: Path, private: str) -> None:
    more = {"method": "wasp", "private": [private], "plms": ["gpt2"], "engine": "scripted", "rounds": 1, "samples": 92}
    run = a_run(tmp_path, **more, decontaminate={"private": True})
    assert not [text for text in texts_of(run) if "projector" in text]
    assert run.metrics["decontamination"]["private"] == "removed, not counted"
    assert "epsilon and delta do not cover it" in run.manifest["privacy"]["outside"]
    assert "do not cover it" in (run.path / "ledger.json").read_text(encoding="utf-8")


def test_where_something_is_promised_the_filter_is_off_and_the_promise_whole(tmp_path: Path, private: str) -> None:
    more = {"method": "wasp", "private": [private], "plms": ["gpt2"], "engine": "scripted", "rounds": 1, "samples": 92}
    run = a_run(tmp_path, **more)
    assert [text for text in texts_of(run) if "projector" in text]
    assert "outside" not in run.manifest["privacy"]
    assert run.metrics["decontamination"]["private"] is None


@pytest.mark.parametrize("method", ["augpe", "pcevolve", "fusegen"])
def test_what_is_left_of_a_dataset_is_weighed_and_learned_anew(method: str, tmp_path: Path, private: str) -> None:
    more: dict[str, Any] = {"method": method, "plms": ["gpt2", "opt"], "engine": "scripted", "rounds": 1, "pool": []}
    more |= {"private": [private]} if method != "fusegen" else {}
    first = a_run(tmp_path, **more, samples=48, privacy={"noise": "insecure-test"})
    rows = [row for row in first.samples() if row["weight"] > 0]
    some = [{"text": row["text"], "label": row["label"]} for row in rows][::3]
    path = put(tmp_path / "found.jsonl", some)
    (tmp_path / "again").mkdir()
    again = a_run(tmp_path / "again", **more, samples=48, gold=path, privacy={"noise": "insecure-test"})
    table = pq.read_table(again.path / "dataset" / "train.parquet")
    assert set(table["text"].to_pylist()) == {row["text"] for row in rows} - {row["text"] for row in some}
    assert abs(sum(table["weight"].to_pylist()) / len(table) - 1) < 1e-4
    assert again.metrics["decontamination"]["gold"]["removed"] == len(some)


def test_where_a_whole_population_is_gold_the_run_says_so(tmp_path: Path, private: str) -> None:
    more: dict[str, Any] = {"method": "augpe", "plms": ["gpt2"], "engine": "scripted", "rounds": 1, "pool": []}
    more |= {"private": [private], "samples": 24, "privacy": {"noise": "insecure-test"}}
    rows = [row for row in a_run(tmp_path, **more).samples() if row["weight"] > 0]
    path = put(tmp_path / "found.jsonl", [{"text": row["text"], "label": row["label"]} for row in rows])
    (tmp_path / "again").mkdir()
    with pytest.raises(SynthgenError, match=r"^All samples of negative, positive overlap gold"):
        a_run(tmp_path / "again", **more, gold=path)
