from pathlib import Path
from typing import Any

import pytest
import yaml

from synthgen.errors import UserError
from synthgen.tasks.registry import load_task, prompts_folder, task_names, task_with_labels


def imdb() -> dict[str, Any]:
    fields: dict[str, Any] = yaml.safe_load((prompts_folder() / "imdb.yaml").read_text(encoding="utf-8"))
    return fields


def written(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**imdb(), "name": path.stem, **changes}), encoding="utf-8")
    return path


def test_the_bundled_tasks_are_listed() -> None:
    assert task_names() == sorted(task_names())
    assert {"imdb", "sst2", "subj", "banking77"} <= set(task_names())


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["positive", "negative"], "imdb"),
        (["entailment", "contradiction", "neutral"], "mnli"),
        (["entailment", "not_entailment"], "qnli"),
        (["World", "Sports", "Business", "Sci/Tech"], "agnews"),
        (["positive"], None),
        (["Positive", "Negative"], None),
    ],
)
def test_the_task_of_private_labels_is_always_the_same(labels: list[str], name: str | None) -> None:
    assert task_with_labels(labels) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imbd", "There is no task 'imbd'; did you mean imdb? `synthgen tasks` lists them."),
        ("zzzzzz", "There is no task 'zzzzzz'. `synthgen tasks` lists them."),
        ("../prompts/imdb", "There is no task '../prompts/imdb'"),
        ("", "There is no task ''"),
        ("nowhere/my.yaml", "There is no task file nowhere/my.yaml."),
    ],
)
def test_an_unknown_task_is_named_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_task(name)
    assert str(caught.value).startswith(message)


def test_a_users_own_file(tmp_path: Path) -> None:
    path = written(tmp_path / "films.yml", labels=["poor", "good"], prompts={**imdb()["prompts"]})
    assert load_task(str(path)).labels == ("poor", "good")


def test_gold_files_are_looked_for_beside_the_task_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    path = written(tmp_path / "tasks" / "films.yaml", gold={"path": "data/gold.jsonl"})
    monkeypatch.chdir(tmp_path)
    for name in (path, path.relative_to(tmp_path)):
        gold = load_task(str(name)).gold
        assert gold is not None
        assert gold.path == str(tmp_path.resolve() / "tasks" / "data" / "gold.jsonl")
    written(path, gold={"path": "/elsewhere/gold.csv"})
    elsewhere = load_task(str(path)).gold
    assert elsewhere is not None
    assert elsewhere.path == "/elsewhere/gold.csv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "line 1, column 8: not valid YAML: expected the node content, but found '<stream end>'."),
        (b"name: x\nabout: caf\xe9", "line 2, column 1: not UTF-8; save the file as UTF-8."),
        (b"", "line 1, column 1: the file is empty; `synthgen tasks new FILE` writes one to start from."),
        (
            b"- one",
            "line 1, column 1: a task file is a list of settings such as name: films; `synthgen tasks new FILE` writes "
            "one.",
        ),
        (b"name: x\nabout: y\nlabels: [a, b]", "line 1, column 1: prompts is missing; every task needs it."),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_task(str(path))
    assert str(caught.value) == f"Task file mine.yaml is wrong in {message}"


def test_the_first_of_many_mistakes_is_said_and_how_to_see_the_others(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nabout: y\nlabels: [yes, no]\nprompts: {}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_task(str(path))
    assert str(caught.value) == (
        "Task file mine.yaml is wrong in line 3, column 10: YAML reads yes as a truth value; put it in quotes: 'yes'. "
        f"(7 more: `synthgen tasks check {path}`)"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "there is no setting colour"),
        ({"curate": {"min_word": 3}}, "there is no setting min_word in curate; did you mean min_words?"),
        ({"gold": {"hub": "a/b", "branch": "main"}}, "there is no setting branch in gold"),
        ({"labels": ["one"]}, "labels needs at least 2 entries"),
        ({"labels": ["one", "one"]}, "the label one stands twice; keep one of the two"),
    ],
)
def test_unknown_keys_and_wrong_values_are_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_task(str(written(tmp_path / "mine.yaml", **change)))
    assert said in str(caught.value)
