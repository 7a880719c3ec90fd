from pathlib import Path

import pytest
import yaml

from synthgen.errors import UserError
from synthgen.tasks.registry import load_task, prompts_folder, task_names

DEMONSTRATIONS = ["The first of {two} shown texts.", "The second; it has 'quotes' and 100% {label}."]


def test_the_bundled_tasks_are_listed() -> None:
    assert task_names() == sorted(task_names())
    assert {"imdb", "sst2", "subj", "banking77"} <= set(task_names())


def test_ids_follow_the_hub() -> None:
    assert load_task("imdb").labels == ("negative", "positive")
    assert load_task("sst2").labels == ("negative", "positive")
    assert len(load_task("banking77").labels) == 77


@pytest.mark.parametrize("name", task_names())
def test_every_bundled_prompt_ends_with_an_open_quote_and_asks_for_its_label_last(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert task.gold is not None
    for label in task.labels:
        worded = task.describe.get(label, label.replace("_", " ").lower())
        prompts = {
            "zero": task.zero_shot(label),
            "few": task.few_shot(label, DEMONSTRATIONS),
            "contrastive": task.contrastive(label, DEMONSTRATIONS[:1], DEMONSTRATIONS[1:]),
        }
        for prompt in prompts.values():
            assert prompt.endswith(' "')
            assert worded in prompt.splitlines()[-1]
        for kind in ("few", "contrastive"):
            shown = prompts[kind].splitlines()
            assert [line.partition(": ")[2] for line in shown[:2]] == DEMONSTRATIONS
            assert not any(worded in line.partition(": ")[0] for line in shown[:2])
        assert not any(slot in prompts["zero"] for slot in ("{label}", "{text}", "{demonstrations}"))


@pytest.mark.parametrize("name", task_names())
def test_labels_are_worded_apart(name: str) -> None:
    task = load_task(name)
    assert len({task.zero_shot(label) for label in task.labels}) == len(task.labels)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imbd", "no task 'imbd'; did you mean imdb"),
        ("zzzzzz", r"no task 'zzzzzz'\. `synthgen tasks`"),
        ("../prompts/imdb", "no task"),
        ("", "no task"),
        ("nowhere/my.yaml", r"no task file nowhere/my\.yaml"),
    ],
)
def test_an_unknown_task_is_named_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(name)


def test_a_users_own_file(tmp_path: Path) -> None:
    fields = yaml.safe_load((prompts_folder() / "imdb.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "films.yml"
    path.write_text(yaml.safe_dump({**fields, "name": "films", "labels": ["poor", "good"]}), encoding="utf-8")
    assert load_task(str(path)).labels == ("poor", "good")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "not valid YAML"),
        (b"name: caf\xe9", "not valid YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"", "wrong at the top"),
        (b"- one", "wrong at the top"),
        (b"name: x", "wrong at about: Field required"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_task(str(path))
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"colour": "red"}, "colour"),
        ({"curate": {"min_word": 3}}, r"curate\.min_word"),
        ({"gold": {"hub": "a/b", "branch": "main"}}, r"gold\.branch"),
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["one", "one"]}, "the top: .*labels repeat"),
    ],
)
def test_unknown_keys_and_wrong_values_are_named(tmp_path: Path, change: dict[str, object], where: str) -> None:
    fields = yaml.safe_load((prompts_folder() / "imdb.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**fields, **change}), encoding="utf-8")
    with pytest.raises(UserError, match=f"mine.yaml is wrong at {where}"):
        load_task(str(path))
