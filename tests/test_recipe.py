from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.recipe import make_recipe, read_recipe

LEAST = {"task": "imdb", "plms": ("llama2", "opt")}


def test_the_profile_fills_in_what_is_not_said() -> None:
    paper = make_recipe({**LEAST, "profile": "paper"})
    assert (paper.samples, paper.rounds, paper.demos, paper.candidates) == (1000, 4, 8, 40)


def test_what_is_said_wins() -> None:
    assert make_recipe({**LEAST, "samples": 77}).samples == 77


@given(
    samples=st.integers(60, 5000),
    rounds=st.integers(0, 6),
    demos=st.integers(1, 8),
    seed=st.integers(-(2**63), 2**63),
    top_p=st.floats(0.01, 1.0),
    gold=st.none() | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1),
)
def test_a_recipe_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, **settings: int | float | str | None
) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    recipe = make_recipe({**LEAST, **settings})
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert read_recipe(path) == recipe
    assert read_recipe(path).fingerprint == recipe.fingerprint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"samples": 0}, "samples"),
        ({"samples": -3}, "samples"),
        ({"rounds": -1}, "rounds"),
        ({"demos": 0}, "demos"),
        ({"demos": 50}, "50 demonstrations cannot be picked from 20 candidates"),
        ({"samples": 3, "rounds": 4}, "3 samples a PLM cannot be spread over 5 batches"),
        ({"samples": 5, "rounds": 4}, "4 demonstrations are more than the 2 samples"),
        ({"plms": ()}, "plms"),
        ({"sampels": 10}, "did you mean samples?"),
        ({"privacy": {"epsilonn": 1}}, "did you mean epsilon?"),
        ({"profile": "huge"}, "choose pocket or paper"),
        ({"temperature": 0}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"samples": "many"}, "samples"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        make_recipe({**LEAST, **settings})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["- a\n- b\n", "task: [", "\t: x", "plain words", ""])
def test_a_file_that_is_no_recipe_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError):
        read_recipe(path)


def test_a_missing_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no recipe"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a=http://h:1/v1",), ("a=http://g:2/v1",)),
        (("a=http://h:1/v1", "a=http://h:2/v1"), ("a=http://h:1/v1",)),
        (("http://h:1/v1",), ("https://g/v1",)),
        (("m@http://h:1/v1",), ("m@http://h:2/v1",)),
    ],
)
def test_addresses_are_no_part_of_the_work(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (make_recipe({"task": "imdb", "plms": plms}) for plms in (one, other))
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != make_recipe({"task": "imdb", "plms": ("b=http://h:1/v1",)}).fingerprint


def test_one_plm_at_two_addresses_is_one() -> None:
    settings = {"task": "imdb", "samples": 12, "rounds": 1, "demos": 8, "candidates": 10}
    with pytest.raises(UserError, match="8 demonstrations are more than the 6"):
        make_recipe({**settings, "plms": ("a=http://h:1/v1", "a=http://h:2/v1")})
