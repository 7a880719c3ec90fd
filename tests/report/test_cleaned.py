"""What a published recipe does not say: where files lie, and where servers are."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.report.cleaned import cleaned, cleaned_recipe, publishable

WORD = st.text(string.ascii_lowercase + string.digits + "_-", min_size=6, max_size=12)
ROOT = st.sampled_from(["/", "~/", "./", "../", "C:\\", "c:/", "\\\\host\\"])
BEFORE = st.sampled_from(["", "mine=", "encoder:", "embedding:", "m=", "mine=encoder:"])


@given(BEFORE, ROOT, st.lists(WORD, min_size=2, max_size=4, unique=True))
def test_of_a_local_path_the_last_part_stays(before: str, root: str, parts: list[str]) -> None:
    said = publishable(before + root + ("\\" if "\\" in root else "/").join(parts))
    assert said == before + parts[-1]
    assert publishable(said) == said


@given(st.lists(WORD, min_size=3, max_size=4), st.sampled_from(["http", "https", "ftp", "s3", "file"]))
def test_nothing_of_an_address_stays(parts: list[str], scheme: str) -> None:
    address = f"{scheme}://{parts[0]}:8000/" + "/".join(parts[1:])
    recipe = {"plms": [f"mine={address}", f"mine@{address}"], "endpoint": [address], "gold": address, "note": [address]}
    recipe["serving"] = {"all": {"environment": {"PROXY": parts[0]}, "flags": {"host": address}}}  # type: ignore[assignment]
    said = str(cleaned_recipe(recipe))
    named = "mine plms endpoint gold note serving all environment PROXY flags host None"
    assert not [part for part in parts if part in said and part not in named]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    )
)
def test_cleaning_twice_is_cleaning_once(value: object) -> None:
    once = cleaned(value)
    assert cleaned(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "google-bert/bert-base-uncased",
        "encoder:google-bert/bert-base-uncased",
        "stanfordnlp/imdb",
        "llama2:paper",
        "2026-11-23T05:50:39+00:00",
        "2.13.0+cpu",
        "cpu (x86_64)",
        "that there are fewer than 1/delta samples",
        "yes/no",
        "positive, negative; and so on...",
        "",
    ],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert publishable(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/home/Jane Doe/my data/seeds.jsonl", "seeds.jsonl"),
        ("data/private/seeds.jsonl", "seeds.jsonl"),
        ("private/seeds.csv", "seeds.csv"),
        ("models/local/llama", "llama"),
        ("mine=models\\llama", "mine=llama"),
        ("/", "a local folder"),
        ("the files in /srv/data/x, and ~/y/z", "the files in x, and z"),
    ],
)
def test_what_is_a_path_is_shortened(text: str, said: str) -> None:
    assert publishable(text) == said


def test_what_is_said_to_readers_stays_and_private_files_keep_their_names() -> None:
    recipe = {
        "about": "posts on https://x.example/a",
        "labels": ["w/o", "/"],
        "private": ["p/seeds"],
        "task": "a/b/my.yaml",
    }
    assert cleaned_recipe(recipe) == {**recipe, "private": ["seeds"], "task": "my.yaml"}
