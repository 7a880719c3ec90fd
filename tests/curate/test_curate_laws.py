import re
from random import Random

from curating import judge, outcome, task
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.curate.curator import Curator
from synthgen.records import Rejected, Sample

TRIGGERS = (
    "<C>",
    "<movie title>",
    "[insert theme]",
    "XXX",
    "As an AI language model",
    "I'd be happy to help",
    "A movie review reads:",
    "The movie review is:",
    "very fine",
)
WORDS = st.sampled_from("the a film plot cast is was fine dull warm slow and but very , . ! sea night".split())
TEXTS = st.lists(st.one_of(WORDS, WORDS, st.sampled_from(TRIGGERS), st.text(max_size=3)), min_size=4, max_size=24).map(
    " ".join
)
LOOSE = {"min_words": 4, "language": None}
DUPLICATES = {"duplicate", "two_labels", "near_duplicate"}


@settings(deadline=None)
@given(st.text(), st.sampled_from(["stop", "length"]), st.booleans())
def test_any_text_gets_a_verdict_that_can_be_written(raw: str, finish: str, enabled: bool) -> None:
    curator = Curator(task(min_words=1), enabled=enabled)
    verdict = judge(curator, raw, finish=finish)  # type: ignore[arg-type]
    verdict.text.encode("utf-8")
    if isinstance(verdict, Sample):
        assert verdict.text.strip()


@settings(deadline=None)
@given(TEXTS)
def test_an_accepted_text_is_accepted_again_unchanged_and_holds_no_trigger(raw: str) -> None:
    verdict = judge(Curator(task(**LOOSE)), raw)
    if isinstance(verdict, Sample):
        assert not re.search("|".join(map(re.escape, TRIGGERS[:-1])), verdict.text)
        again = judge(Curator(task(**LOOSE)), verdict.text)
        assert isinstance(again, Sample)
        assert again.text == verdict.text


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(["positive", "negative"])), max_size=20))
def test_no_two_accepted_texts_are_the_same_or_near(texts: list[tuple[str, str]]) -> None:
    curator = Curator(task(**LOOSE))
    verdicts = [judge(curator, text, label) for text, label in texts]
    accepted = [verdict.text for verdict in verdicts if isinstance(verdict, Sample)]
    assert len(accepted) == len({re.sub(r"\W+", " ", text.casefold()).strip() for text in accepted})
    for text, label in texts:
        assert isinstance(judge(curator, text, label), Rejected)


@settings(deadline=None)
@given(st.permutations(list(enumerate(TRIGGERS))))
def test_only_the_rules_on_duplicates_look_at_other_texts(order: list[tuple[int, str]]) -> None:
    curator = Curator(task(**LOOSE))
    texts = [f"{trigger} and the story of boat number {at} goes on and on" for at, trigger in order]
    together = [
        outcome(judge(curator, text, ("negative", "positive")[at % 2]))
        for text, (at, _) in zip(texts, order, strict=True)
    ]
    alone = [outcome(judge(Curator(task(**LOOSE)), text)) for text in texts]
    assert [a for a, b in zip(alone, together, strict=True) if a != b and b not in DUPLICATES] == []


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=30), st.randoms(use_true_random=False))
def test_a_demonstration_in_any_order_is_a_copy(tokens: list[str], random: Random) -> None:
    shuffled = random.sample(tokens, len(tokens))
    curator = Curator(task(**LOOSE))
    curator.show([" ".join(f"word{token}" for token in tokens)])
    assert outcome(judge(curator, " ".join(f"word{token}" for token in shuffled))) == "demonstration_copy"
