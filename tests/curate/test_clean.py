import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.curate.clean import clean

MARKS = "\" “ ” ' * ** # - 1. 2) , ; . !"
TAGS = "</s> <pad> <unk> C> <br /> <b> </b> <I> </I> <|endoftext|> [INST]"
SPOKEN = "Sure! Here is a review: Mr. Fine film Review: Dr. é"
PIECES = st.sampled_from([*f"{MARKS} {TAGS} {SPOKEN}".split(), "\n", "\t", "\x00", "\ud800", "\u200b", " "])
MESSY = st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("A warm and funny film.", "A warm and funny film."),
        ('A warm film." I hope you like it.', "A warm film."),
        ("“A warm film.” I hope you like it.", "A warm film."),
        ("She calls it “warm” and means it.", "She calls it “warm” and means it."),
        ("A warm film.” And so on", "A warm film."),
        ("  'A warm film.'  ", "A warm film."),
        ("A  warm\n\n\tfilm.", "A warm film."),
        ("1. A warm film.", "A warm film."),
        ("10 out of 10, and 3.5 stars.", "10 out of 10, and 3.5 stars."),
        ("- **A warm film.**", "A warm film."),
        ("Four of ****, I say.", "Four of ****, I say."),
        ("Sure! Here is a positive movie review: A warm film.", "A warm film."),
        ("Here's another example of a negative review:\n\n\"A dull film.", "A dull film."),
        ("Here's the thing: it is dull.", "Here's the thing: it is dull."),
        ("Movie review 2: A warm film.", "A warm film."),
        ("<pad> A warm film.</s>", "A warm film."),
        ("A warm film.<|endoftext|>A recipe for soup.", "A warm film."),
        ("A <i>warm</i> film.<br /><br />See it.", "A warm film. See it."),
        ("A <B>warm</B> film by <C>.", "A warm film by <C>."),
        ("A warm <unk> C> film.", "A warm <C> film."),
        ("A warm <unk> film.", "A warm film."),
        ("A warm\x00 fi\u200blm.", "A warm film."),
    ],
)
def test_keeps_the_text_alone(raw: str, text: str) -> None:
    assert clean(raw, "stop") == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("A warm film. It ends with a", "A warm film."),
        ("A warm film. Go see Dr. Who and Mr.", "A warm film."),
        ("A warm film by J. R. Stone that ends", ""),
        ("A warm film! Really?! (Yes.) And", "A warm film! Really?! (Yes.)"),
        ("A warm film. See it.\nThe weather today is fine.", "A warm film. See it."),
        ("这部电影很好看。我还想", "这部电影很好看。"),
        ("no sentence ever ends here", ""),
    ],
)
def test_without_a_closing_quote_ends_with_the_last_sentence(raw: str, text: str) -> None:
    assert clean(raw, "length") == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("A warm film. It borrows from ", "A warm film."),
        ("It borrows from ", ""),
        ("A warm film, but also,", ""),
        ("A warm film. ", "A warm film."),
        ("A warm film", "A warm film"),
    ],
)
def test_a_quote_that_opens_a_quotation_is_no_end(raw: str, text: str) -> None:
    assert clean(raw, "stop") == text


def test_the_stop_string_is_the_requests() -> None:
    assert clean('A "warm" film.\nNext one', "length", "\n") == 'A "warm" film.'


@settings(deadline=None)
@given(MESSY, st.sampled_from(["stop", "length"]))
def test_clean_is_idempotent_and_leaves_one_printable_line(raw: str, finish: str) -> None:
    text = clean(raw, finish)  # type: ignore[arg-type]
    assert clean(text, "stop") == text
    assert text == " ".join(text.split())
    assert '"' not in text
    assert "</s>" not in text
    assert len(text) <= len(raw)
    text.encode("utf-8")
