"""Two sentences labelled together: by what key they are remembered, and what a linear model can see in them."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from synthgen.text import Pair

Key: TypeAlias = str | tuple[str, str]
"""What a text is remembered by. As a string a pair equals the two lines it joins, which may be another text."""

WORD = re.compile(r"\b\w\w+\b")
_NAME = re.compile(r"(?<=\s)[A-Z]\w+")
_NEGATION = re.compile(r"\b(?:no|not|never|none|nor|neither|nobody|nothing|nowhere|without|cannot|hardly)\b|n['’]t\b")
_FIRST, _RELATION = 0.5, 3.0


def key_of(text: str) -> Key:
    """Return the key of a text."""
    return (text.text, text.text_pair) if isinstance(text, Pair) else text


def parted(texts: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return the first and second sentences of pairs, None for single texts. Raises ``ValueError`` for a mixture."""
    pairs = [text for text in texts if isinstance(text, Pair)]
    if pairs and len(pairs) < len(texts):
        raise ValueError("either all texts are pairs or none is")
    return ([pair.text for pair in pairs], [pair.text_pair for pair in pairs]) if pairs else None


def pair_terms(pair: Pair) -> dict[str, float]:
    """Return terms and what each counts before its rarity, which is ``1 + ln count`` for a word of the second sentence.

    A word of the first counts half, and one of the second that the first lacks is a term more. A sum over words cannot
    relate two sentences, so how they relate is terms as well; ``docs/stms.md`` has what each was worth.
    """
    first, second = (WORD.findall(side.lower()) for side in (pair.text, pair.text_pair))
    added = set(second).difference(first)
    terms = {f"first:{word}": _FIRST * (1 + math.log(count)) for word, count in Counter(first).items()}
    terms |= {f"second:{word}": 1 + math.log(count) for word, count in Counter(second).items()}
    terms |= dict.fromkeys((f"added:{word}" for word in added), 1.0)
    overlap = _overlap(first, second)
    relations = [*overlap, _negation(pair), _numbers(first, second), *_question(pair, first, added, overlap[0])]
    return terms | dict.fromkeys(relations, _RELATION)


def _overlap(first: list[str], second: list[str]) -> list[str]:
    # The beginnings of the longer words stand for stems and content words, in more languages than one.
    one, two = ({word[:5] for word in side if len(word) > 3} for side in (first, second))
    both = len(one & two)
    shares = [min(4, 5 * both // max(1, len(side))) for side in (one, two)]
    return [f"found:{shares[0]}", f"known:{shares[1]}", f"both:{min(both, 5)}", f"new:{min(len(two - one), 6)}"]


def _negation(pair: Pair) -> str:
    one, two = (_NEGATION.search(side.lower()) is not None for side in (pair.text, pair.text_pair))
    return f"negation:{one:d}{two:d}"


def _numbers(first: list[str], second: list[str]) -> str:
    one, two = ({word for word in side if word[0].isdigit()} for side in (first, second))
    return "numbers:" + "".join(str(int(bool(some))) for some in (one, two, one & two, two - one))


def _question(pair: Pair, words: list[str], added: set[str], found: str) -> list[str]:
    """Return what the first words of a question meet in the second sentence: numbers, names, the question's words."""
    if not pair.text.rstrip().endswith(("?", "\uff1f")):
        return []
    number = any(word[0].isdigit() for word in added)
    name = any(name.lower() in added for name in _NAME.findall(pair.text_pair))
    starts = dict.fromkeys((" ".join(words[:1]), " ".join(words[:2])))
    return [f"{start}? {met}" for start in starts for met in (f"number:{number:d}", f"name:{name:d}", found)]
