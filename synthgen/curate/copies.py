"""Does a text copy a demonstration that its prompt showed?"""

from collections import Counter
from collections.abc import Sequence

from synthgen.curate.faults import runs, share
from synthgen.curate.words import words

_OVERLAP = 0.9
_CONTAINED = 5
_RUN = 13


class Shown:
    """The demonstrations in the prompts of the present requests."""

    def __init__(self, demonstrations: Sequence[str]) -> None:
        shown = [words(text) for text in dict.fromkeys(demonstrations)]
        self._shown = [(tokens, f" {' '.join(tokens)} ", Counter(tokens)) for tokens in shown if tokens]
        self._runs: set[tuple[str, ...]] = set().union(*(runs(tokens, _RUN) for tokens in shown))

    def copied(self, tokens: list[str]) -> bool:
        """Return whether these words are a copy.

        So are words that stand in a demonstration as one piece, that hold one of at least five words or thirteen
        words of one in a row, or that share 0.9 of the longer side's words, counted with repetition, in any order.
        """
        if not self._shown or not tokens:
            return False
        if share(self._runs, tokens, _RUN):
            return True
        joined, counts = f" {' '.join(tokens)} ", Counter(tokens)
        for other, other_joined, other_counts in self._shown:
            if joined in other_joined or (len(other) >= _CONTAINED and other_joined in joined):
                return True
            short, long = sorted((len(tokens), len(other)))
            # Words that are not among these at all are quick to count.
            missing = len(other_counts.keys() - counts.keys()) if short >= _OVERLAP * long else long
            if len(other) - missing >= _OVERLAP * long and (counts & other_counts).total() >= _OVERLAP * long:
                return True
        return False
