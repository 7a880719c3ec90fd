import copy
import json
import pickle
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from synthgen.prompt import Prompt, shortened
from synthgen.records import Request
from synthgen.tasks.registry import load_task

SLOT = "{demonstrations}"
AROUND = st.text(max_size=20).filter(lambda text: SLOT not in text)
SHOWN = st.lists(st.text(max_size=10), max_size=6)


@given(AROUND, AROUND, SHOWN, st.integers(0, 8))
def test_shortening_is_building_with_the_last_demonstrations(head: str, tail: str, shown: list[str], drop: int) -> None:
    template = head + SLOT + tail
    if template.index(SLOT) != len(head):
        return  # the two parts made a slot of their own
    found = shortened(Prompt.composed(template, {"demonstrations": shown}), drop)
    if drop > len(shown):
        assert found is None
        return
    wanted = Prompt.composed(template, {"demonstrations": shown[drop:]})
    assert isinstance(found, Prompt)
    assert (found, found.spans) == (wanted, wanted.spans)
    assert found == head + "".join(shown[drop:]) + tail
    assert [found[start:end] for start, end in found.spans] == shown[drop:]


@given(SHOWN.filter(bool), st.data())
def test_shortening_twice_is_shortening_once(shown: list[str], data: st.DataObject) -> None:
    prompt = Prompt.composed(f"a {SLOT} b", {"demonstrations": shown})
    first = data.draw(st.integers(0, len(shown)))
    second = data.draw(st.integers(0, len(shown) - first))
    once, part = shortened(prompt, first + second), shortened(prompt, first)
    assert part is not None
    twice = shortened(part, second)
    assert isinstance(once, Prompt)
    assert isinstance(twice, Prompt)
    assert (once, once.spans) == (twice, twice.spans)


@given(st.lists(st.text(), max_size=5), st.lists(st.text(), max_size=5), st.data())
def test_a_tasks_instructions_stay_whatever_is_dropped(bad: list[str], good: list[str], data: st.DataObject) -> None:
    task = load_task("imdb")
    drop = data.draw(st.integers(0, len(bad) + len(good)))
    for whole, bare, kept in (
        (
            task.few_shot("positive", bad + good),
            task.few_shot("positive", []),
            task.few_shot("positive", (bad + good)[drop:]),
        ),
        (
            task.contrastive("positive", bad, good),
            task.contrastive("positive", [], []),
            task.contrastive("positive", bad[drop:], good[max(0, drop - len(bad)) :]),
        ),
    ):
        found = shortened(whole, drop)
        assert isinstance(found, Prompt)
        assert (found, found.spans) == (kept, kept.spans)
        everything = shortened(whole, len(bad) + len(good))
        assert everything is not None
        assert everything.encode() == bare.encode()


def test_a_plain_text_has_no_demonstrations_to_lose() -> None:
    assert shortened("plain", 0) == "plain"
    assert shortened("plain", 1) is None


@given(SHOWN)
def test_copies_know_their_demonstrations(shown: list[str]) -> None:
    prompt = Prompt.composed(f"before {SLOT} after", {"demonstrations": shown})
    request = Request("1", "opt", 0, "positive", prompt, 7)
    copies = [copy.copy(prompt), copy.deepcopy(prompt), copy.deepcopy(request).prompt, asdict(request)["prompt"]]
    copies += [pickle.loads(pickle.dumps(prompt, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for each in copies:
        assert type(each) is Prompt
        assert (each, each.spans) == (prompt, prompt.spans)


def test_it_is_a_str() -> None:
    prompt = Prompt("a b", [(0, 1)])
    assert prompt == "a b"
    assert hash(prompt) == hash("a b")
    assert {"a b": 1}[prompt] == 1
    assert json.dumps(prompt) == '"a b"'
    assert type(str(prompt)) is str
    assert type(prompt + "c") is str
    assert f"{prompt}" == "a b"
    assert not hasattr(prompt, "__dict__")


NAMES = ("first", "attribute")
PIECES = st.lists(st.one_of(st.text(max_size=8).filter(lambda t: "{" not in t and "}" not in t),
                            st.sampled_from(["{first}", "{attribute}", SLOT])), max_size=8)  # fmt: skip


@given(PIECES, SHOWN, st.dictionaries(st.sampled_from(NAMES), st.text(max_size=10)), st.integers(0, 6))
def test_filling_gaps_is_composing_with_the_values_and_goes_with_shortening(
    pieces: list[str], shown: list[str], drawn: dict[str, str], drop: int
) -> None:
    template = "".join(pieces)
    gapped = Prompt.composed(template, {"demonstrations": shown}, NAMES)
    whole = gapped.filled(drawn)
    wanted = "".join(drawn.get(piece[1:-1], "") if piece.startswith("{") and piece != SLOT
                     else "".join(shown) if piece == SLOT else piece for piece in pieces)  # fmt: skip
    assert whole == wanted
    assert [whole[start:end] for start, end in whole.spans] == shown * pieces.count(SLOT)
    assert whole.given == {name: value for name, value in drawn.items() if f"{{{name}}}" in pieces}
    assert {name for _, name in whole.gaps} == {name for name in NAMES if f"{{{name}}}" in pieces} - set(drawn)
    one, other = shortened(whole, drop), shortened(gapped, drop)
    assert (one is None) == (other is None)
    if isinstance(one, Prompt) and isinstance(other, Prompt):
        assert (one, one.spans) == (other.filled(drawn), other.filled(drawn).spans)
    behind = gapped.after("before ").filled(drawn)
    assert behind == "before " + whole
    assert [behind[start:end] for start, end in behind.spans] == shown * pieces.count(SLOT)


def test_what_is_drawn_or_shown_is_never_read_as_a_slot() -> None:
    prompt = Prompt.composed("{demonstrations}{first} {attribute}", {"demonstrations": ["{first}"]}, NAMES)
    assert prompt.filled({"first": "{attribute}", "attribute": "{first}"}) == "{first}{attribute} {first}"


@given(st.text(max_size=9), st.text(max_size=9), st.dictionaries(st.sampled_from(NAMES), st.text(max_size=9)))
def test_a_prompt_survives_copies_with_all_it_knows(head: str, tail: str, drawn: dict[str, str]) -> None:
    prompt = Prompt(head + tail, [(0, len(head))], "p", 9, [(len(head), "first")], drawn)
    for copied in (copy.deepcopy(prompt), pickle.loads(pickle.dumps(prompt))):
        assert copied == prompt
        assert all(getattr(copied, name) == getattr(prompt, name) for name in Prompt.__slots__)
