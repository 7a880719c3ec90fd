"""A prompt that knows where its demonstrations stand, so that it can do with fewer of them."""

from collections.abc import Sequence


class Prompt(str):
    """The text of a prompt. ``spans`` are the ``[start, end)`` positions of its demonstrations, left to right."""

    __slots__ = ("spans",)

    spans: tuple[tuple[int, int], ...]

    def __new__(cls, text: str, spans: Sequence[tuple[int, int]] = ()) -> "Prompt":
        """Make a prompt of its text and its spans."""
        made = super().__new__(cls, text)
        made.spans = tuple(spans)
        return made

    def __getnewargs__(self) -> tuple[str, tuple[tuple[int, int], ...]]:  # type: ignore[override]
        return str(self), self.spans

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
    return Prompt(prompt[:start] + prompt[end:], kept)
