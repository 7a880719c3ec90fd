"""Wording that messages share."""

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(word: str, known: Sequence[str]) -> str:
    """Return "; did you mean X?" for the closest known word, or "." where none is close."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "."


class Pair(str):
    """Two sentences that are labelled together. As a string it is both, a line each.

    What looks at texts as one (duplicates, embeddings) takes it as it is; what knows of pairs looks at the parts.
    """

    __slots__ = ("text", "text_pair")

    text: str
    text_pair: str

    def __new__(cls, text: str, text_pair: str) -> "Pair":
        """Join two sentences."""
        made = super().__new__(cls, f"{text}\n{text_pair}")
        made.text, made.text_pair = text, text_pair
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.text, self.text_pair


def whole(text: str, text_pair: str | None) -> str:
    """Return the text, or the pair where there are two."""
    return text if text_pair is None else Pair(text, text_pair)
