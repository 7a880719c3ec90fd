"""A prompt that knows where its demonstrations stand, so that it can do with fewer, and which sample it varies."""

from collections.abc import Sequence
from typing import Any


class Prompt(str):
    """The text of a prompt. ``spans`` are the ``[start, end)`` positions of its demonstrations, left to right.

    ``parent`` is the id of the sample that the answer is to be a variation of, ``tokens`` the most tokens of the
    answer; None where there is none, or where the task says.
    """

    __slots__ = ("parent", "spans", "tokens")

    spans: tuple[tuple[int, int], ...]
    parent: str | None
    tokens: int | None

    def __new__(
        cls, text: str, spans: Sequence[tuple[int, int]] = (), parent: str | None = None, tokens: int | None = None
    ) -> "Prompt":
        """Make a prompt of its parts."""
        made = super().__new__(cls, text)
        made.spans = tuple(spans)
        made.parent = parent
        made.tokens = tokens
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.spans, self.parent, self.tokens

    def varying(self, parent: str, tokens: int | None = None) -> "Prompt":
        """Return the same text as a prompt for variations of the sample ``parent``."""
        return Prompt(self, self.spans, parent, tokens)

    @classmethod
    def around(cls, template: str, slot: str, demonstrations: Sequence[str]) -> "Prompt":
        """Put ``demonstrations`` where ``template`` has its first ``slot``; the text around them stays as it is."""
        head, _, tail = template.partition(slot)
        spans, end = [], len(head)
        for demonstration in demonstrations:
            spans.append((end, end + len(demonstration)))
            end += len(demonstration)
        return cls(head + "".join(demonstrations) + tail, spans)


def shortened(prompt: str, drop: int) -> str | None:
    """Return ``prompt`` without its ``drop`` leftmost demonstrations, None where it has not that many.

    Everything else, the instruction above all, stays.
    """
    if not drop:
        return prompt
    spans = prompt.spans if isinstance(prompt, Prompt) else ()
    if drop > len(spans):
        return None
    start, end = spans[0][0], spans[drop - 1][1]
    kept = [(left - end + start, right - end + start) for left, right in spans[drop:]]
    held = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    return Prompt(prompt[:start] + prompt[end:], kept, held.parent, held.tokens)
