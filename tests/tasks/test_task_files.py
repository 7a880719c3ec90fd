"""Laws of the bundled tasks, and what a run makes of their attributes."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.generate import Order
from synthgen.plms.catalog import catalog
from synthgen.plms.formats import smallest_context
from synthgen.records import Sampling
from synthgen.tasks.check import check_file
from synthgen.tasks.preview import LABELLESS, prompts_of
from synthgen.tasks.registry import load_task, prompts_folder, task_names
from synthgen.tasks.task import ATTRIBUTE, FIRST
from synthgen.text import Pair

TASKS = {name: load_task(name) for name in task_names()}
PAIRS = sorted(name for name, task in TASKS.items() if task.first)
WITH_ATTRIBUTES = sorted(name for name, task in TASKS.items() if task.attributes)
PUBLISHED = {
    *("imdb", "sst2", "subj", "banking77", "banking77-10", "yelp", "yelp-category", "yelp-rating", "agnews"),
    *("markednews", "qnli", "mnli", "mnli-mm", "openreview-area", "openreview-rating"),
}


def test_all_tasks_of_both_papers_are_there() -> None:
    assert set(TASKS) == PUBLISHED
    assert PAIRS == ["mnli", "mnli-mm", "qnli"]
    assert WITH_ATTRIBUTES == ["openreview-area", "openreview-rating", "yelp-category", "yelp-rating"]


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_file_passes_its_check(name: str) -> None:
    checked = check_file(prompts_folder() / f"{name}.yaml", context=smallest_context(), gold=False)
    assert checked.task == TASKS[name]
    assert checked.task.name == name
    assert checked.errors == ()
    # Three names of banking77 are parts of others; they are what the dataset calls them.
    assert len(checked.warnings) == (3 if name == "banking77" else 0)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_prompts_are_filled_differ_by_label_and_ask_for_it_behind_an_open_quote(name: str) -> None:
    task = TASKS[name]
    asked: dict[str, list[str]] = {}
    for label in task.labels:
        for kind, prompt in prompts_of(task, label).items():
            assert "{" not in prompt
            assert prompt.endswith(' "')
            if kind not in LABELLESS:
                asked.setdefault(kind, []).append(prompt)
                assert task.wording(label) in prompt.splitlines()[-1]
    assert {"zero_shot", "few_shot", "contrastive", "paraphrase"} <= set(asked)
    for prompts in asked.values():
        assert len(set(prompts)) == len(task.labels)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_is_shown_says_nothing_of_the_label(name: str) -> None:
    task = TASKS[name]
    shown = [Pair("one", "two"), Pair("three", "four")] if task.first else ["one", "two"]
    few = {task.few_shot(label, shown)[slice(*task.few_shot(label, shown).spans[0])] for label in task.labels}
    assert len(few) == 1
    prompts = [task.contrastive(label, shown[:1], shown[1:]) for label in task.labels]
    for place in (0, 1):
        assert len({prompt[slice(*prompt.spans[place])] for prompt in prompts}) == 1
    bad, good = (prompts[0][start:end] for start, end in prompts[0].spans)
    assert bad != good
    for part in (*few, bad, good):
        assert part.count("\n") == 1
        assert part.endswith("\n")
        assert not {"{", "}"} & set(part)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_braces_in_what_is_put_in_stay(name: str) -> None:
    task = TASKS[name]
    hostile = "{label} {first} {text_pair} {demonstrations} {0}"
    shown = [Pair(hostile, hostile)] if task.first else [hostile]
    assert hostile in task.as_sent(task.few_shot(task.labels[0], shown))


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_task_gives_one_sentence_and_asks_for_the_other(name: str) -> None:
    task = TASKS[name]
    assert task.first is not None
    prompts = (
        task.zero_shot(task.labels[0]),
        task.few_shot(task.labels[0], []),
        task.contrastive(task.labels[0], [], []),
    )
    for prompt in prompts:
        assert [gap for _, gap in prompt.gaps] == [FIRST]
        assert "A given sentence." in prompt.filled({FIRST: "A given sentence."})
    text, pair = task.paired("given", "written")
    assert (text, pair) == (("given", "written") if name != "qnli" else ("written", "given"))


@given(
    name=st.sampled_from(WITH_ATTRIBUTES),
    seed=st.integers(0, 2**32),
    rounds=st.lists(st.dictionaries(st.sampled_from(sorted(catalog())), st.integers(0, 30)), min_size=1, max_size=5),
)
def test_every_attribute_is_used_and_all_alike(name: str, seed: int, rounds: list[dict[str, int]]) -> None:
    """The published code uses the first only."""
    task = TASKS[name]
    assert task.attributes is not None
    values = task.attributes.values
    before: Counter[str] = Counter()
    drawn: dict[str, Counter[str]] = {label: Counter() for label in task.labels}
    for number, quotas in enumerate(rounds):
        for plm, count in quotas.items():
            quota = dict.fromkeys(task.labels, count)
            order = Order(plm, number, quota, {}, Sampling(), {ATTRIBUTE: values}, dict(before))
            before.update(quota)
            for label in task.labels:
                own = Counter(order.draw(label, 0, place, seed)[ATTRIBUTE] for place in range(count))
                assert set(own) == set(values) or count < len(values)
                drawn[label] += own
    for counts in drawn.values():
        shares = [counts[value] for value in values]
        assert max(shares) - min(shares) <= 1


def test_labels_begin_with_different_attributes() -> None:
    task = TASKS["yelp-category"]
    assert task.attributes is not None
    order = Order("opt", 0, {}, {}, Sampling(), {ATTRIBUTE: task.attributes.values})
    assert len({order.draw(label, 0, 0, 0)[ATTRIBUTE] for label in task.labels}) > 1


def test_tasks_that_belong_together_agree() -> None:
    assert TASKS["mnli"].prompts == TASKS["mnli-mm"].prompts
    assert TASKS["mnli"].labels == TASKS["mnli-mm"].labels
    assert TASKS["markednews"].labels[:4] == TASKS["agnews"].labels
    assert set(TASKS["banking77-10"].labels) < set(TASKS["banking77"].labels)
    for one, other in (("yelp-category", "yelp-rating"), ("openreview-area", "openreview-rating")):
        first, second = TASKS[one], TASKS[other]
        assert first.attributes is not None
        assert second.attributes is not None
        assert (first.labels, first.attributes.values) == (second.attributes.values, second.labels)


def test_a_marked_article_has_its_mark_and_others_none() -> None:
    task = TASKS["markednews"]
    assert task.curate.has == {"Money with $": "$"}
    assert task.gold is not None
    assert [(rule.label, rule.contains) for rule in task.gold.relabel] == [("Money with $", "$")]
    assert ["without the sign" in task.wording(label) for label in task.labels] == [True] * 4 + [False]


def test_ids_are_those_of_the_real_data(shared_data: Path) -> None:
    manifest = json.loads((shared_data / "MANIFEST.json").read_text(encoding="utf-8"))
    names = {"yelp_category": "yelp-category", "yelp_rating": "yelp-rating"}
    seen = {names.get(name, name) for name in manifest} & set(TASKS)
    assert seen >= {"imdb", "sst2", "subj", "banking77", "agnews", "mnli", "qnli", *names.values()}
    for name, entry in manifest.items():
        if task := TASKS.get(names.get(name, name)):
            assert list(task.labels) == entry["labels"]
            assert (task.first is not None) == entry["pair"]


def test_the_prompts_that_pocket_plms_were_trained_on_stand() -> None:
    """Their weights know these words: another wording is another model's task."""
    imdb, subj, bank = TASKS["imdb"], TASKS["subj"], TASKS["banking77"]
    assert imdb.zero_shot("negative") == 'A movie review that is negative in tone reads: "'
    assert imdb.few_shot("positive", ["one"]) == (
        "A movie review reads: one\n\nOne more movie review, positive in tone and different in expression from those "
        'above, reads: "'
    )
    assert imdb.contrastive("positive", ["one"], ["two"]) == (
        "A weak movie review reads: one\nA strong movie review reads: two\n\nThe weak and the strong movie reviews "
        "above are all positive in tone. One more positive movie review, different in expression from the strong ones "
        'and further from the weak ones than they are, reads: "'
    )
    assert subj.zero_shot("subjective") == 'A sentence about a movie that gives a subjective opinion reads: "'
    assert bank.zero_shot("age_limit") == 'A question to an online bank about "age limit" reads: "'


def test_pairs_and_attributes_read_as_designed() -> None:
    qnli, rating = TASKS["qnli"], TASKS["yelp-rating"]
    assert qnli.zero_shot("not_entailment").filled({FIRST: "Rome lies on the Tiber."}) == (
        'Information: "Rome lies on the Tiber."\nA question on the same matter that this information leaves open: "'
    )
    assert qnli.few_shot("entailment", [Pair("Where?", "Here.")]).startswith("Information: Here. Question: Where?\n")
    assert rating.zero_shot("1 star").filled({ATTRIBUTE: "Bars"}) == (
        'A review of a business in the field of Bars, with a rating of 1 star, reads: "'
    )
