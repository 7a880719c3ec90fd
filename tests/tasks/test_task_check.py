"""``synthgen tasks check``: what it says, where, and that it says nothing of a sound file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from broken_files import BROKEN, GOOD, PAIR, swapped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.tasks.check import Checked, check_file
from synthgen.tasks.registry import load_task, prompts_folder
from synthgen.tasks.scaffold import write_scaffold


def check(folder: Path, text: str | bytes, *, context: int = 1024, gold: bool = False) -> Checked:
    path = folder / "notes.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return check_file(path, context=context, gold=gold)


def said(checked: Checked) -> list[str]:
    return [f"{one.line}:{one.column} {one.severity[0]} {one.said}" for one in checked.problems]


def test_sound_files_have_no_problems(tmp_path: Path) -> None:
    assert said(check(tmp_path, GOOD)) == []
    assert said(check(tmp_path, PAIR)) == []
    assert said(check(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())) == []


@pytest.mark.parametrize("case", list(BROKEN))
def test_what_is_wrong_is_said_in_its_place(tmp_path: Path, case: str) -> None:
    text, expected = BROKEN[case]
    checked = check(tmp_path, text)
    assert said(checked) == expected
    assert all("\n" not in one.said for one in checked.problems)


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_task_loads_unless_its_file_is_refused_for_what_is_certain(tmp_path: Path, case: str) -> None:
    """What a check only finds unwise does not stop a run."""
    checked = check(tmp_path, BROKEN[case][0])
    if checked.task is not None:
        assert load_task(str(checked.path)) == checked.task
    else:
        with pytest.raises(UserError) as caught:
            load_task(str(checked.path))
        assert checked.errors[0].sentence in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: caf\xe9", ["1:1 e not UTF-8; save the file as UTF-8"]),
        (b"name: \x07", ["1:1 e the file is not valid YAML: unacceptable character #x0007: special characters are not "
                         'allowed in "<unicode string>", position 6']),
        (b"a: !!python/object/apply:os.getcwd []", ["1:4 e not valid YAML: could not determine a constructor for the "
                                                    "tag 'tag:yaml.org,2002:python/object/apply:os.getcwd'"]),
        (b"a: 2024-99-99", ["1:1 e the file is not valid YAML: month must be in 1..12"]),
        (b"? [a]\n: b", ["1:3 e not valid YAML: found unhashable key"]),
        (b"&a {a: *a, name: x}", ["1:1 e not valid YAML: an alias stands for what it is part of"]),
        (b"{name: x, a: &a {b: c}, d: *a, name: y}", ["1:32 e name stands twice, first in line 1; keep one of the two",
                                                      "1:1 e about is missing; every task needs it"]),
    ],
)  # fmt: skip
def test_damaged_files(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    assert set(expected) <= set(said(check(tmp_path, content)))


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, b"[" * 1200).problems
    assert problem.said == "not valid YAML: values are nested more than 50 deep"


def test_a_prompt_that_fills_the_context_is_told(tmp_path: Path) -> None:
    text = swapped("A note that came", "A note " + "of many words " * 300 + "that came")
    (problem,) = check(tmp_path, text).problems
    assert problem.severity == "warning"
    assert problem.said.startswith("prompts.zero_shot is about 12")
    assert check(tmp_path, text, context=4096).problems == ()


def test_gold_is_looked_at(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    text = GOOD + "gold: {path: gold.jsonl}\n"
    assert said(check(tmp_path, GOOD, gold=True)) == ["1:1 w no gold data are named: accuracy wants --gold FILE"]
    assert said(check(tmp_path, text, gold=True)) == [f"11:1 e There is no gold file {gold.resolve()}"]
    gold.write_text('{"text": "a", "label": "early"}\n{"text": "b", "label": "never"}\n', encoding="utf-8")
    (problem,) = check(tmp_path, text, gold=True).problems
    assert problem.severity == "error"
    assert "never" in problem.said
    gold.write_text('{"text": "a", "label": "early"}\n{"text": "b", "label": "late"}\n', encoding="utf-8")
    assert said(check(tmp_path, text, gold=True)) == []
    more = swapped("[early, late]", "[early, late, lost]", text)
    assert said(check(tmp_path, more, gold=True)) == ["11:1 w no gold text has the label lost"]


@pytest.mark.usefixtures("unreachable")
def test_gold_that_cannot_be_reached_is_a_warning(tmp_path: Path) -> None:
    checked = check(tmp_path, GOOD + "gold: {hub: owner/notes}\n", gold=True)
    assert said(checked) == ["11:1 w gold dataset owner/notes cannot be reached; whether it fits was not looked at"]


words = st.text("abcdefghijklmnoprstuvwyzäöü ÄÖ-_0123456789.,:#&*!|>'@%", min_size=3, max_size=20).map(str.strip)
own = words.filter(lambda word: len(word) > 2)


def distinct(labels: list[str]) -> bool:
    """No wording is, or is part of, another's or of a word of the prompts."""
    worded = [" ".join(label.replace("_", " ").lower().split()) for label in labels]
    return len(set(worded)) == len(worded) and all(worded) and not any(word in GOOD.lower() + PAIR for word in worded)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    labels=st.lists(own, min_size=2, max_size=6, unique=True).filter(distinct),
    about=st.text(max_size=30),
    pair=st.booleans(),
    shape=st.fixed_dictionaries(
        {
            "sampling": st.fixed_dictionaries({"max_tokens": st.integers(50, 300)}),
            "curate": st.fixed_dictionaries(
                {"min_words": st.integers(1, 50), "language": st.sampled_from(["en", None])}
            ),
        }
    ),
)
def test_any_sound_task_passes(
    tmp_path: Path, labels: list[str], about: str, pair: bool, shape: dict[str, Any]
) -> None:
    fields = {**yaml.safe_load(PAIR if pair else GOOD), "labels": labels, "about": about, **shape}
    text = yaml.safe_dump(fields, allow_unicode=True)
    checked = check(tmp_path, text)
    assert checked.errors == ()
    assert checked.task is not None
    assert checked.task.labels == tuple(labels)
    assert checked.task == load_task(str(checked.path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels=st.lists(own, min_size=2, max_size=6, unique=True), about=st.text(max_size=30), pairs=st.booleans())
def test_a_scaffold_can_be_used_whatever_the_labels_are(
    tmp_path: Path, labels: list[str], about: str, pairs: bool
) -> None:
    path = tmp_path / "mine.yaml"
    path.unlink(missing_ok=True)
    write_scaffold(path, labels, about, pairs=pairs)
    task = load_task(str(path))
    assert task.labels == tuple(labels)
    assert (task.first is not None) == pairs
    assert task.about == (" ".join(about.split()) or "texts")


@pytest.mark.parametrize("pairs", [False, True])
def test_a_scaffold_passes_the_check(tmp_path: Path, pairs: bool) -> None:
    path = tmp_path / "mine.yaml"
    write_scaffold(path, ["negative", "yes", "1"], 'John\'s "hotel" {reviews}', pairs=pairs)
    checked = check_file(path, context=1024)
    assert said(checked) == [f"{checked.problems[0].line}:1 w no gold data are named: accuracy wants --gold FILE"]


def test_copies_of_bundled_tasks_pass_but_for_their_name(tmp_path: Path) -> None:
    for path in prompts_folder().glob("*.yaml"):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        checked = check_file(copy, context=1024, gold=False)
        assert checked.errors == ()
        assert "is also the name of a bundled task" in " ".join(one.said for one in checked.warnings)
