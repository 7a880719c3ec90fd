import traceback
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.curate import overlap
from synthgen.curate.overlap import Overlap, overlaps
from synthgen.curate.words import words
from synthgen.errors import SynthgenError, UserError

SENTENCE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
SPELLINGS = st.sampled_from(["a", "A", "b", "c", "don't", "don’t", "ﬁn", "fin", "é", "É", "映", "a.", "!", "_"])
TEXTS = st.lists(st.lists(SPELLINGS, max_size=14).map(" ".join), max_size=8)


def expected(texts: list[str], others: list[str], run: int, near: float) -> Overlap:
    """Compare all with all, in the words of the definition."""
    by_run = [row for row, text in enumerate(texts) if any(shares(words(text), words(one), run) for one in others)]
    close = [row for row, text in enumerate(texts) if any(jaccard(words(text), words(one)) >= near for one in others)]
    return Overlap(tuple(by_run), tuple(row for row in close if row not in by_run))


def shares(one: list[str], other: list[str], run: int) -> bool:
    length = min(len(one), len(other), run)
    return length >= min(8, run) and not pieces(one, length).isdisjoint(pieces(other, length))


def pieces(tokens: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(tokens[at : at + length]) for at in range(len(tokens) - length + 1)}


def jaccard(one: list[str], other: list[str]) -> float:
    left, right = (set(pairwise(tokens)) or {(token, "") for token in tokens} for tokens in (one, other))
    return len(left & right) / len(left | right) if left and right else 0.0


@given(TEXTS, TEXTS, st.sampled_from([3, 4, 5, 8, 9, 11]), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.data())
def test_as_comparing_all_with_all(
    texts: list[str], others: list[str], run: int, near: float, data: st.DataObject
) -> None:
    others += data.draw(st.lists(st.sampled_from(texts), max_size=2)) if texts else []
    wanted = expected(texts, others, run, near)
    assert overlaps(texts, iter(others), run=run, near=near) == wanted
    shuffled = data.draw(st.permutations(others + others[:2]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(overlap, "_BATCH", data.draw(st.integers(1, 30)))
        patched.setattr("synthgen.curate.similar._BLOCK", data.draw(st.integers(1, 30)))
        assert overlaps(texts, shuffled, run=run, near=near) == wanted
        # Block by block as in one, and others that cannot be read again all the same.
        patched.setattr(overlap, "_BLOCK", data.draw(st.integers(1, 60)))
        assert overlaps(iter(texts), shuffled, run=run, near=near) == wanted
        assert overlaps(texts, iter(shuffled), run=run, near=near) == wanted


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.3, 0.6, 0.7, 0.8, 0.9, 1.0]))
def test_the_threshold_itself_counts(shared: int, before: int, after: int, near: float) -> None:
    text = " ".join(f"w{number}" for number in range(before + shared + 1))
    other = " ".join(f"w{number}" for number in range(before, before + shared + 1 + after))
    reached = shared / (before + shared + after) >= near
    assert overlaps([text], [other], run=100, near=near).near == ((0,) if reached else ())


@pytest.mark.parametrize(
    ("text", "other", "found"),
    [
        ("Well: " + SENTENCE.upper(), SENTENCE.replace(" ", ", ") + " and more, much more than that was said", "run"),
        ("x " + " ".join(SENTENCE.split()[:12]), " ".join(SENTENCE.split()[:12]) + " y z x w v u", ""),
        ("one two three four five six seven eight", SENTENCE, "run"),
        ("one two three four five six seven", SENTENCE, ""),
        (SENTENCE, "three four five six seven eight nine ten", "run"),
        (SENTENCE, "three four five six seven eight nine", ""),
        ("Great.", "great", "near"),
        ("great", "great great", ""),
        ("great", "great film", ""),
        ("card not working", "Card not working?", "near"),
        ("card is working", "Card not working?", ""),
        ("", "", ""),
        ("!?", "...", ""),
    ],
)
def test_definition(text: str, other: str, found: str) -> None:
    for one, two in ((text, other), (other, text)):
        assert overlaps([one], [two]) == Overlap((0,) if found == "run" else (), (0,) if found == "near" else ())


def test_memory_does_not_grow_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "_BATCH", 5000)
    texts = [f"{SENTENCE} {number}" for number in range(20)]

    def peak(count: int) -> int:
        others = (f"{SENTENCE} {number} of words that are only here {number * 7}" for number in range(count))
        tracemalloc.start()
        assert len(overlaps(texts, others).run) == 20
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    assert peak(4000) < 1.2 * peak(1000)


def test_memory_does_not_grow_with_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "_BLOCK", 5000)

    def peak(count: int) -> int:
        texts = (
            f"{number} of many words that are only here {number * 7}, and not elsewhere" for number in range(count)
        )
        tracemalloc.start()
        assert overlaps(texts, [SENTENCE, "0 of many words that are only here 0, and not elsewhere"]).run == (0,)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    assert peak(4000) < 1.2 * peak(1000)


def shown(error: BaseException) -> str:
    """Return what a log with the values of variables shows of it, without this module's frame."""
    assert error.__traceback__ is not None
    told = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    return "".join(told.format())


@pytest.mark.parametrize("error", [ValueError("secret"), UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret")])
def test_a_failure_tells_nothing_of_the_others(error: Exception) -> None:
    def others() -> Iterator[str]:
        yield "the secret words"
        raise error

    with pytest.raises(SynthgenError, match=type(error).__name__) as caught:
        overlaps(["a text"], others())
    assert caught.value.__context__ is None
    assert "secret" not in shown(caught.value)


def test_a_message_of_the_project_stays() -> None:
    def others() -> Iterator[str]:
        yield "the secret words"
        try:
            raise OSError("secret")
        except OSError as error:
            raise UserError("The file ends early; fetch it again.") from error

    with pytest.raises(UserError, match="fetch it again") as caught:
        overlaps(["a text"], others())
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "secret" not in shown(caught.value)


@pytest.mark.parametrize("settings", [{"run": 2}, {"near": 0.2}, {"near": 1.1}, {"near": float("nan")}])
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must be"):
        overlaps(["a"], ["a"], **settings)  # type: ignore[arg-type]
