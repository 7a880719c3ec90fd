"""Recorded generations of the papers' own PLMs as a pool. Their label ids are the other way round than imdb's."""

import gzip
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from synthgen import execute
from synthgen.cli import main
from synthgen.pool import plms_of, read_pool
from synthgen.recipe import make_recipe
from synthgen.runs.files import read_jsonl
from synthgen.tasks.registry import load_task

FILES = {"gpt2-xl": "gpt2-xl", "llama2": "llama-2-7b-chat-hf", "vicuna": "vicuna-7b-1.5v", "old-flan": "flan-t5-xl"}


@pytest.fixture(scope="module")
def pool(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 texts of each of four PLMs, as synthgen reads them."""
    path = tmp_path_factory.mktemp("pool") / "recorded.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for plm, name in FILES.items():
            kept: Counter[int] = Counter()
            with gzip.open(shared_data / "recorded" / "imdb" / f"{name}.zeroshot.jsonl.gz", "rt") as file:
                for line in file:
                    row = json.loads(line)
                    if row["C"].strip() and kept[row["Y"]] < 200:
                        kept[row["Y"]] += 1
                        out.write(json.dumps({"text": row["C"], "label": 1 - row["Y"], "plm": plm}) + "\n")
    return path


def test_the_pool_is_read_with_its_plms(pool: Path) -> None:
    read = read_pool([str(pool)], load_task("imdb"))
    assert len(read) == 1600
    assert plms_of(read) == ("gpt2-xl=pool", "llama2", "vicuna", "old-flan=pool")
    assert {len(texts) for texts in read.texts.values()} == {200}


@pytest.mark.parametrize("method", ["zerogen", "sungen"])
def test_a_run_needs_no_plm_and_curates_what_was_recorded(
    method: str, pool: Path, shared_data: Path, tmp_path: Path
) -> None:
    specs = tuple(f"{plm}=pool" for plm in FILES)
    with gzip.open(shared_data / "imdb.test.jsonl.gz", "rt", encoding="utf-8") as file:
        (tmp_path / "gold.jsonl").write_text("".join(islice(file, 2000)), encoding="utf-8")
    settings = {"task": "imdb", "plms": specs, "pool": (str(pool),), "samples": 240, "rounds": 0}
    run = execute(
        make_recipe({"method": method, "demos": 1, "candidates": 1, "gold": str(tmp_path / "gold.jsonl"), **settings}),
        out=tmp_path / "run",
    )
    assert run.metrics["samples_by_plm"] == dict.fromkeys(FILES, 240)
    assert run.metrics["samples_by_label"] == {"negative": 480, "positive": 480}
    texts = [sample["text"] for sample in run.samples()]
    assert not any("<C>" in text for text in texts)
    rejected = list(read_jsonl(run.path / "rounds" / "00" / "rejected.jsonl"))
    assert any("<C>" in row["text"] and row["reason"] == "placeholder" for row in rejected)
    # With the labels the wrong way round it would be as far below one half.
    assert run.metrics["accuracy"] > 0.7


def test_the_command_says_which_plms_are_only_in_the_pool(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["fusegen", "--task", "imdb", "--pool", str(pool), "--profile", "pocket", "--gold", "none"])
    assert end.value.code == 2
    assert "gpt2-xl, old-flan can be read from the pool but cannot write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
