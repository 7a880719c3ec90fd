"""What a task itself asks of its texts: a sign they end with, what a label must contain, no copy of what was given."""

import pytest

from synthgen.curate.curator import Curator
from synthgen.prompt import Prompt
from synthgen.records import Completion, Rejected, Request, Sample
from synthgen.tasks.task import Task

GIVEN = "The old lighthouse at the northern cape was built by two brothers in the spring of a stormy year."
PROMPTS = {
    "zero_shot": '{first} On {label}: "',
    "demonstration": "{text_pair} {text}\n",
    "few_shot": '{demonstrations}{first} On {label}: "',
    "bad": "{text_pair} {text}\n",
    "good": "{text_pair} {text}\n",
    "contrastive": '{demonstrations}{first} On {label}: "',
}


def task(field: str = "text", **rules: object) -> Task:
    return Task.model_validate(
        {
            "name": "rules",
            "about": "anything",
            "labels": ["news", "money"],
            "first": {"field": field, "prompt": 'Say: "'},
            "prompts": PROMPTS,
            "curate": {"min_words": 3, "language": None, **rules},
        }
    )


def judged(curator: Curator, text: str, label: str = "news", first: str = GIVEN) -> Sample | Rejected:
    request = Request(f"r{text}{label}{first}", "gpt2", 0, label, Prompt("p", given={"first": first}), 1)
    return curator.judge(request, Completion(request.id, text, "stop", 1, 1))


def reason(verdict: Sample | Rejected) -> str | None:
    return verdict.reason if isinstance(verdict, Rejected) else None


def test_a_text_ends_at_its_sign_and_without_one_it_is_unfinished() -> None:
    curator = Curator(task(ends="?"))
    kept = judged(curator, "Who built the tower? Nobody knows. Or why?")
    assert isinstance(kept, Sample)
    assert (kept.text, kept.text_pair) == (GIVEN, "Who built the tower?")
    assert reason(judged(curator, "It was built by somebody else entirely.")) == "unfinished"


def test_of_several_signs_the_first_in_the_text_ends_it() -> None:
    kept = judged(Curator(task(ends="?!")), "What a tower it is! Who built it?")
    assert isinstance(kept, Sample)
    assert kept.text_pair == "What a tower it is!"


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("money", "The tower cost them $300 in all.", None),
        ("money", "The tower cost them a lot in all.", "task_rule"),
        ("news", "The tower cost them $300 in all.", "task_rule"),
        ("news", "The tower cost them a lot in all.", None),
    ],
)
def test_what_a_label_must_contain_the_others_must_not(label: str, text: str, said: str | None) -> None:
    assert reason(judged(Curator(task(has={"money": "$"})), text, label)) == said


def test_a_copy_of_the_given_sentence_is_no_second_one() -> None:
    curator = Curator(task())
    assert reason(judged(curator, GIVEN)) == "first_copy"
    assert reason(judged(curator, "The old lighthouse at the northern cape was built by two brothers.")) == "first_copy"
    assert reason(judged(curator, "Somebody built a lighthouse in the north long ago.")) is None


def test_duplicates_are_told_by_what_was_written_whatever_was_given() -> None:
    curator = Curator(task())
    assert (
        reason(judged(curator, "Somebody must have built a lighthouse up there.", first="One given sentence.")) is None
    )
    again = judged(curator, "Somebody must have built a lighthouse up there.", first="Quite another given sentence.")
    assert reason(again) == "duplicate"
    same_given = judged(curator, "Brothers rarely build towers together.", first="One given sentence.")
    assert reason(same_given) is None, "a given sentence may be given many times"


@pytest.mark.parametrize("field", ["text", "text_pair"])
def test_demonstrations_of_pairs_are_compared_by_what_was_written(field: str) -> None:
    rules = task(field)
    kept = judged(Curator(rules), "Somebody must have built a lighthouse up there.")
    assert isinstance(kept, Sample)
    curator = Curator(rules)
    curator.show([kept.whole])
    assert reason(judged(curator, "Somebody must have built a lighthouse up there.", first="Another.")) == (
        "demonstration_copy"
    )
    assert reason(judged(curator, "Nothing of the kind was ever said there.")) is None, "the given one may come again"


def test_a_resumed_curator_knows_the_pairs_it_accepted() -> None:
    kept = judged(Curator(task()), "Somebody must have built a lighthouse up there.")
    assert isinstance(kept, Sample)
    curator = Curator(task())
    curator.adopt(kept)
    assert reason(judged(curator, "Somebody must have built a lighthouse up there.", first="Another.")) == "duplicate"
