from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.records import Sampling
from synthgen.tasks.task import Task

PROMPTS = {
    "zero_shot": 'A {label} note: "',
    "demonstration": "A note: {text}\n",
    "few_shot": '{demonstrations}One more {label} note: "',
    "bad": "A weak note: {text}\n",
    "good": "A strong note: {text}\n",
    "contrastive": '{demonstrations}Now a better {label} note: "',
}
SLOTS = [
    ("zero_shot", "{label}"),
    ("demonstration", "{text}"),
    ("few_shot", "{demonstrations}"),
    ("few_shot", "{label}"),
    ("bad", "{text}"),
    ("good", "{text}"),
    ("contrastive", "{demonstrations}"),
    ("contrastive", "{label}"),
]


def fields(**changes: Any) -> dict[str, Any]:
    return {"name": "notes", "about": "notes", "labels": ["Late_Reply", "early"], "prompts": PROMPTS, **changes}


def task(**changes: Any) -> Task:
    return Task.model_validate(fields(**changes))


def test_prompts_are_filled() -> None:
    notes = task()
    assert notes.zero_shot("early") == 'A early note: "'
    assert notes.few_shot("early", ["one", "two"]) == 'A note: one\nA note: two\nOne more early note: "'
    assert (
        notes.contrastive("early", ["dim"], ["lit", "lucid"])
        == 'A weak note: dim\nA strong note: lit\nA strong note: lucid\nNow a better early note: "'
    )


def test_a_label_is_worded_by_its_description_or_else_its_name() -> None:
    assert task().zero_shot("Late_Reply") == 'A late reply note: "'
    assert task(describe={"Late_Reply": "tardy"}).zero_shot("Late_Reply") == 'A tardy note: "'


def test_demonstrations_fit_on_one_line() -> None:
    assert task().few_shot("early", ["one\n\n two\t"]).startswith("A note: one two\n")


@given(st.lists(st.text(alphabet="{}labetxdmonsri %$\\0 ", max_size=40), max_size=4))
def test_braces_and_slots_in_a_demonstration_are_just_text(texts: list[str]) -> None:
    prompt = task().few_shot("early", ["{label} {text} {demonstrations} {0} %s", *texts])
    shown = "".join(
        f"A note: {' '.join(text.split())}\n" for text in ["{label} {text} {demonstrations} {0} %s", *texts]
    )
    assert prompt == f'{shown}One more early note: "'


def test_label_ids_are_positions() -> None:
    assert [task().label_id(label) for label in ("Late_Reply", "early")] == [0, 1]


@pytest.mark.parametrize("ask", [Task.label_id, Task.zero_shot, lambda t, label: t.few_shot(label, [])])
def test_an_unknown_label_is_the_users_mistake(ask: Any) -> None:
    with pytest.raises(UserError, match="Task notes has no label 'Early'; its labels are Late_Reply, early"):
        ask(task(), "Early")


@pytest.mark.parametrize(("prompt", "slot"), SLOTS)
def test_every_prompt_needs_its_slots(prompt: str, slot: str) -> None:
    broken = {**PROMPTS, prompt: PROMPTS[prompt].replace(slot, "")}
    with pytest.raises(ValidationError, match=f"prompt '{prompt}' has no {slot} slot"):
        task(prompts=broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["one"]}, "at least 2"),
        ({"labels": ["one", "one"]}, "labels repeat"),
        ({"describe": {"none": "x"}}, "labels the task does not have: none"),
        ({"colour": "red"}, "Extra inputs"),
        ({"prompts": {**PROMPTS, "extra": "x"}}, "Extra inputs"),
        ({"sampling": {"max_tokens": 0}}, "greater than or equal to 1"),
        ({"curate": {"min_words": 0}}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_task_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        task(**change)


def test_sampling_takes_the_length_of_the_task() -> None:
    drawn = task(sampling={"max_tokens": 7}).draw(temperature=0.5, top_p=0.8)
    assert drawn == Sampling(temperature=0.5, top_p=0.8, max_tokens=7, stop='"')


def test_a_task_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        task().name = "other"  # type: ignore[misc]
