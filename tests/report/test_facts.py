"""What may leave a machine, and what it is then called."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.report.facts import publishable, read_facts, settings_of

PARTS = st.text("abcdefXYZ019_- ", min_size=1, max_size=8).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("said", "public"),
    [
        ("org/model-7b", "org/model-7b"),
        ("hub:org/reviews/test", "hub:org/reviews/test"),
        ("bundled:imdb", "bundled:imdb"),
        ("embedding:org/minilm", "embedding:org/minilm"),
        ("hub:/home/me/films/test", "hub:test"),
        ("encoder:~/models/bert", "encoder:bert"),
        ("mine=./folder", "mine=folder"),
        ("a=/srv/x", "a=x"),
        ("..", ".."),
        ("D:\\models\\opt", "opt"),
        ("\\\\server\\share\\opt", "opt"),
        ("data/gold.csv", "gold.csv"),
        ("mine=https://key@host/v1", "mine=server"),
    ],
)
def test_places_are_named_by_their_last_part(said: str, public: str) -> None:
    assert publishable(said) == public


@settings(deadline=None, max_examples=100)
@given(st.lists(PARTS, min_size=2, max_size=5), st.sampled_from(["", "encoder:", "mine=", "hub:"]))
def test_no_folder_of_an_absolute_path_is_published(parts: list[str], prefix: str) -> None:
    path = PurePosixPath("/", *parts)
    assert publishable(f"{prefix}{path}").split() == f"{prefix}{parts[-1]}".split()


def test_a_label_that_looks_like_a_path_is_kept() -> None:
    shown = settings_of({"labels": ["/r/films", "~x"], "about": "./posts", "task": {"name": "a"}, "plms": ["gpt2"]})
    assert shown == {"labels": ["/r/films", "~x"], "about": "./posts", "plms": ["gpt2"]}


def test_a_fake_has_no_licence_and_an_unknown_licence_no_terms() -> None:
    plms = [
        {"name": "a", "model": "scripted", "license": "MIT", "engine": "scripted"},
        {"name": "b", "model": "org/b", "license": "unknown", "engine": "vllm"},
        {"name": "c", "model": "c", "license": "unknown", "size": "pool", "engine": "pool"},
    ]
    facts = read_facts({}, {"plms": plms}, {})
    assert [(plm.licence, plm.terms, plm.engine) for plm in facts.plms] == [
        (None, None, "scripted"),
        (None, None, "vllm"),
        (None, None, "pool"),
    ]
    assert facts.scripted
    assert not read_facts({}, {"plms": plms[1:]}, {}).scripted
