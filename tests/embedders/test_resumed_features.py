"""Embeddings depend, in their last bits, on what they are made with: a resume makes them with the same again."""

from pathlib import Path

import pytest

pytest.importorskip("sentence_transformers")

from synthgen import execute
from synthgen.events import Event, RoundStarted
from synthgen.recipe import Recipe, make_recipe
from synthgen.shelf import Shelf

ROUNDS = 2


@pytest.fixture(scope="module")
def long_texts(sentence_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, for texts of up to 512 signs: their lengths, and so the batches, differ more."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(sentence_folder), device="cpu")
    model.max_seq_length = 512
    model.save(str(folder := tmp_path_factory.mktemp("long") / "encoder"))
    return folder


def recipe(folder: Path, **settings: object) -> Recipe:
    small = {"samples": 400, "rounds": ROUNDS, "engine": "scripted", "gold": "none", "stm": f"embedding:{folder}"}
    return make_recipe({"task": "imdb", "plms": ("gpt2", "opt"), **small, **settings})


def dataset(run: Path) -> bytes:
    return (run / "dataset" / "train.parquet").read_bytes()


def stop(event: Event) -> None:
    if isinstance(event, RoundStarted) and event.round == ROUNDS:
        raise StopIteration


def test_a_resume_writes_the_dataset_of_an_undisturbed_run(long_texts: Path, tmp_path: Path) -> None:
    asked = recipe(long_texts)
    execute(asked, out=tmp_path / "whole")
    with pytest.raises(StopIteration):
        execute(asked, out=tmp_path / "cut", observe=stop)
    execute(asked, out=tmp_path / "cut", resume="always")
    assert dataset(tmp_path / "cut") == dataset(tmp_path / "whole")


def test_a_run_on_a_shelf_is_a_run_alone(long_texts: Path, tmp_path: Path) -> None:
    asked, shelf = recipe(long_texts), Shelf()
    execute(asked, out=tmp_path / "alone")
    execute(recipe(long_texts, rounds=0, samples=300), out=tmp_path / "before", shelf=shelf)
    execute(asked, out=tmp_path / "after", shelf=shelf)
    assert dataset(tmp_path / "after") == dataset(tmp_path / "alone")
