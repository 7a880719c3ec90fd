"""Prompts for variations, and who is asked for them."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.methods.variations import MOST_TOKENS, TONES, Kind, Variations, deal
from synthgen.prompt import Prompt
from synthgen.records import Sample
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
TEXT = "A slow and stately film that never once raises its voice yet holds the eye until its very last quiet frame."
KINDS = get_args(Kind)


def parent(text: str = TEXT, label: str = "positive") -> Sample:
    return Sample("id-of-parent", text, label, "gpt2", 0, "request")


def shown(prompt: Prompt) -> list[str]:
    """Return the words of the text with gaps."""
    return prompt.split("\n")[1].split()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", TASK.labels)
def test_a_prompt_asks_for_the_parents_label_and_ends_in_an_open_quote(kind: Kind, label: str) -> None:
    prompt = Variations(TASK, kind).prompt(parent(label=label), 1)
    assert prompt.parent == "id-of-parent"
    assert prompt.endswith('"')
    assert label in prompt.rsplit("\n", 1)[1]
    assert prompt.spans == (), "a prompt for a variation must not lose its parent for want of room"


def test_imitation_is_the_prompt_that_pocket_plms_were_trained_for() -> None:
    prompt = Variations(TASK, "imitate").prompt(parent(), 1)
    assert str(prompt) == str(TASK.few_shot("positive", [TEXT]))
    assert prompt.tokens is None


def test_tones_differ_by_seed_and_only_by_it() -> None:
    rephrase = Variations(TASK, "rephrase")
    prompts = [rephrase.prompt(parent(), seed) for seed in range(200)]
    assert prompts == [rephrase.prompt(parent(), seed) for seed in range(200)]
    heard = {tone for tone in TONES for prompt in prompts if f" {tone}." in prompt}
    assert heard == set(TONES)
    assert all(TEXT in prompt for prompt in prompts)


def test_gaps_come_with_the_probability_asked_for_and_words_stay_in_place() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    for mask in (0.25, 0.5, 1.0):
        words = shown(Variations(TASK, "blanks", mask=mask).prompt(parent(text), 3))
        assert len(words) == 400
        assert all(word in ("_", original) for word, original in zip(words, text.split(), strict=True))
        # Five standard deviations.
        assert abs(words.count("_") - 400 * mask) <= 5 * (400 * mask * (1 - mask)) ** 0.5


@given(st.integers(1, 3000), st.integers(0, 2**32), st.floats(0.05, 1), st.floats(0, 80), st.floats(0.5, 6))
def test_the_length_asked_for_is_sensible(words: int, seed: int, mask: float, spread: float, ratio: float) -> None:
    prompt = Variations(TASK, "blanks", mask, spread, ratio).prompt(parent(" ".join(["word"] * words)), seed)
    wanted = int(prompt.split("exactly ")[1].split()[0])
    assert wanted >= min(25, words)
    assert wanted >= TASK.curate.min_words
    assert abs(wanted - words) <= 6 * mask * spread + TASK.curate.min_words
    assert prompt.tokens is not None
    assert wanted * ratio <= prompt.tokens < wanted * ratio + 1 or prompt.tokens == MOST_TOKENS < wanted * ratio + 1


def test_lengths_spread_as_the_spec_says() -> None:
    blanks = Variations(TASK, "blanks", mask=0.5, spread=40)
    long = parent(" ".join(["word"] * 200))
    wanted = [int(blanks.prompt(long, seed).split("exactly ")[1].split()[0]) for seed in range(1000)]
    mean = sum(wanted) / 1000
    deviation = (sum((one - mean) ** 2 for one in wanted) / 1000) ** 0.5
    assert mean == pytest.approx(200, abs=3)
    assert deviation == pytest.approx(20, rel=0.12)


@pytest.mark.parametrize("kind", KINDS)
@given(st.text(alphabet='a "{}\\_\n\t“%$', max_size=60))
def test_quotes_and_braces_do_no_harm(kind: Kind, odd: str) -> None:
    text = f"{{label}} {odd} {{text}} {{demonstrations}} {{0}}"
    prompt = Variations(TASK, kind, mask=0.01).prompt(parent(text), 0)
    assert prompt.count("\n") == Variations(TASK, kind).prompt(parent(), 0).count("\n"), "one text, one line"
    plain = Variations(TASK, kind).prompt(parent(), 0)
    assert prompt.rsplit("\n", 1)[1] == plain.rsplit("\n", 1)[1], "nothing of a text reaches the instruction"
    if kind != "imitate":
        assert prompt.count('"') == 1


@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 40))
def test_everyone_writes_the_same_and_every_member_is_varied_alike(members: int, n_plms: int, each: int) -> None:
    plms = [f"plm{number}" for number in range(n_plms)]
    dealt = deal(range(members), plms, each)
    assert {plm: len(slots) for plm, slots in dealt.items()} == dict.fromkeys(plms, each)
    times = Counter(member for slots in dealt.values() for member in slots)
    least = n_plms * each // members
    assert all(times[member] in (least, least + 1) for member in range(members))


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 6), st.integers(2, 5))
def test_a_label_is_shared_by_all_plms(each_label: int, n_plms: int, passes: int, labels: int) -> None:
    """The published code's PLMs never meet; here each writes its share of every label, in any numbers."""
    plms = [f"plm{number}" for number in range(n_plms)]
    members = [(label, number) for label in range(labels) for number in range(each_label * n_plms)]
    dealt = deal(members, plms, passes * labels * each_label)
    for slots in dealt.values():
        assert set(Counter(label for label, _ in slots).values()) == {passes * each_label}


def test_a_member_goes_to_another_plm_each_time() -> None:
    dealt = deal(["a", "b", "c", "d"], ["x", "y"], 4)
    for slots in dealt.values():
        assert sorted(slots) == ["a", "b", "c", "d"]
