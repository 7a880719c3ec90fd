"""Many completions judged together get the verdicts of one after the other; a restored curator those of the first."""

import pytest
from curating import outcome, task
from hypothesis import given, settings
from hypothesis import strategies as st
from test_curate_laws import TEXTS

from synthgen.curate import curator as module
from synthgen.curate.curator import Curator
from synthgen.curate.language import LanguageCheck
from synthgen.curate.speech import LONGEST, Speech
from synthgen.records import Completion, Request, Sample

FRENCH = "Ce film est une perte de temps totale et je ne le recommande à personne."
ENGLISH = "The harbour scenes glow and the two leads make every quiet minute count."
LINES = st.one_of(TEXTS, st.sampled_from([FRENCH, ENGLISH, f"{ENGLISH} {FRENCH}", "", "这部电影非常好看"]))
ASKED = st.lists(
    st.tuples(LINES, st.sampled_from(["positive", "negative"]), st.sampled_from(["stop", "length"])), max_size=30
)


def completions(asked: list[tuple[str, str, str]]) -> list[tuple[Request, Completion]]:
    return [
        (Request(f"r{at}", "opt", 1, label, "prompt", at), Completion(f"r{at}", text, finish, 1, 1))  # type: ignore[arg-type]
        for at, (text, label, finish) in enumerate(asked)
    ]


@pytest.mark.parametrize("enabled", [True, False])
@settings(max_examples=60)
@given(asked=ASKED)
def test_together_or_one_by_one(enabled: bool, asked: list[tuple[str, str, str]]) -> None:
    pairs = completions(asked)
    one, all_, split = (Curator(task(min_words=4), enabled=enabled) for _ in range(3))
    for curator in (one, all_, split):
        curator.show([ENGLISH])
    expected = [one.judge(request, completion) for request, completion in pairs]
    assert list(all_.judge_all(pairs)) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_AT_ONCE", 9)
        assert list(split.judge_all(iter(pairs))) == expected


@settings(max_examples=60)
@given(ASKED, st.integers(0, 30))
def test_a_restored_curator_goes_on_as_the_first(asked: list[tuple[str, str, str]], cut: int) -> None:
    pairs = completions(asked)
    first, second = Curator(task(min_words=4)), Curator(task(min_words=4))
    before = sum(isinstance(verdict, Sample) for verdict in first.judge_all(pairs[:cut]))
    parts = [first.memory_since(0)]
    middle = sum(isinstance(verdict, Sample) for verdict in first.judge_all(pairs[cut : cut + 5]))
    parts.append(first.memory_since(before))
    assert len(parts[1]["labels"]) == middle
    second.restore(parts)
    assert list(second.judge_all(pairs[cut + 5 :])) == list(first.judge_all(pairs[cut + 5 :]))
    assert [outcome(second.judge(*pair)) for pair in pairs] == [outcome(first.judge(*pair)) for pair in pairs]


def test_without_curation_there_is_nothing_to_remember() -> None:
    curator = Curator(task(), enabled=False)
    list(curator.judge_all(completions([(ENGLISH, "positive", "stop")] * 3)))
    assert curator.memory_since(0) == {}
    curator.restore([{}, {}])
    assert outcome(curator.judge(*completions([(ENGLISH, "positive", "stop")])[0])) == "accepted"


@settings(max_examples=40)
@given(st.lists(st.one_of(TEXTS, st.text(), st.sampled_from([FRENCH, ENGLISH, ENGLISH.upper()])), min_size=1))
def test_probabilities_are_those_of_the_identifier(texts: list[str]) -> None:
    identifier = LanguageCheck("en")._identifier
    long = "a long text of many words " * 50
    found = Speech(identifier, "en").probabilities([*texts, long, ""])
    expected = [dict(identifier.rank(text))["en"] if text else 0.0 for text in texts]
    assert len(long) > LONGEST
    assert found[: len(texts)].tolist() == pytest.approx(expected, rel=0.01, abs=1e-4)
    assert found[len(texts) :].tolist() == [0, 0]


def test_many_texts_at_once_are_as_foreign_as_one() -> None:
    texts = [
        FRENCH,
        ENGLISH,
        f"{ENGLISH} {FRENCH}",
        ENGLISH.upper(),
        "Oui.",
        "这部电影非常好看",
        f"{ENGLISH} " * 30,
        "",
    ]
    check = LanguageCheck("en")
    assert check.foreign(texts) == [check.foreign([text])[0] for text in texts]
    assert check.foreign(texts)[:3] == [True, False, True]
