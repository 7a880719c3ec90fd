from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nursery import Nursery, dataset_of

from synthgen.recipe import make_recipe


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("said")) as made:
        yield made


@pytest.fixture(scope="session")
def recipe_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a recipe of small runs."""

    def write(**settings: object) -> Path:
        small = {"samples": 60, "rounds": 2, "demos": 4, "candidates": 12, "gold": "none", "engine": "scripted"}
        recipe = make_recipe({"task": "imdb", "plms": ("llama2", "opt"), **small, **settings})
        path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
        path.write_text(recipe.to_yaml(), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def recipe(recipe_of: Callable[..., Path]) -> Path:
    return recipe_of()


@pytest.fixture(scope="session")
def undisturbed(nursery: Nursery, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of ``recipe`` that nothing happened to. It is not to be written."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    ended = nursery.run("run", recipe, "--out", out)
    assert ended.code == 0, ended.err
    return out


@pytest.fixture(scope="session")
def dataset(undisturbed: Path) -> str:
    """Return the hash of the dataset of a run of ``recipe`` that nothing happened to."""
    return dataset_of(undisturbed)
