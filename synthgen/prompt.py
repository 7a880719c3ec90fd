"""A prompt that knows its parts: demonstrations, so that it can do with fewer, and what is drawn for each request."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SLOT = re.compile(r"\{([a-z_]+)\}")


class Prompt(str):
    """The text of a prompt. ``spans`` are the ``[start, end)`` positions of its demonstrations, left to right.

    ``gaps`` are the positions of what is drawn for each request, with its name, and ``given`` what was drawn for this
    one. ``parent`` is the id of the sample that the answer is to be a variation of, ``tokens`` the most tokens of the
    answer; None where there is none, or where the task says.
    """

    __slots__ = ("gaps", "given", "parent", "spans", "tokens")

    spans: tuple[tuple[int, int], ...]
    parent: str | None
    tokens: int | None
    gaps: tuple[tuple[int, str], ...]
    given: dict[str, str]

    def __new__(
        cls,
        text: str,
        spans: Sequence[tuple[int, int]] = (),
        parent: str | None = None,
        tokens: int | None = None,
        gaps: Sequence[tuple[int, str]] = (),
        given: Mapping[str, str] | None = None,
    ) -> "Prompt":
        """Make a prompt of its parts."""
        made = super().__new__(cls, text)
        made.spans = tuple(spans)
        made.parent = parent
        made.tokens = tokens
        made.gaps = tuple(gaps)
        made.given = dict(given or {})
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.spans, self.parent, self.tokens, self.gaps, self.given

    @classmethod
    def composed(cls, template: str, values: Mapping[str, str | Sequence[str]], gaps: Sequence[str] = ()) -> "Prompt":
        """Put ``values`` into the slots of ``template`` that have their names, and leave those in ``gaps`` open.

        A value that is a sequence is that of the demonstrations, each of which can be left out later. Values are put in
        as they are: braces in them are no slots. Other braces of the template stay.
        """
        text, spans, left, end = "", [], [], 0
        for found in _SLOT.finditer(template):
            name = found[1]
            if name not in values and name not in gaps:
                continue
            text += template[end : found.start()]
            end = found.end()
            if name in gaps:
                left.append((len(text), name))
                continue
            value = values[name]
            for part in [value] if isinstance(value, str) else value:
                if not isinstance(value, str):
                    spans.append((len(text), len(text) + len(part)))
                text += part
        return cls(text + template[end:], spans, gaps=left)

    def filled(self, drawn: Mapping[str, str]) -> "Prompt":
        """Return the prompt with what was ``drawn`` for this request in its gaps; other gaps stay open."""
        text, end, gaps, grown = "", 0, [], []
        for position, name in self.gaps:
            text += self[end:position]
            end = position
            if name in drawn:
                grown.append((position, len(drawn[name])))
                text += drawn[name]
            else:
                gaps.append((len(text), name))
        text += self[end:]

        def moved(position: int) -> int:
            return position + sum(more for place, more in grown if place <= position)

        names = {name for _, name in self.gaps}
        given = {**self.given, **{name: value for name, value in drawn.items() if name in names}}
        spans = [(moved(start), moved(start) + stop - start) for start, stop in self.spans]
        return Prompt(text, spans, self.parent, self.tokens, gaps, given)

    def after(self, opening: str) -> "Prompt":
        """Return the prompt behind another text."""
        more = len(opening)
        spans = [(start + more, stop + more) for start, stop in self.spans]
        gaps = [(position + more, name) for position, name in self.gaps]
        return Prompt(opening + self, spans, self.parent, self.tokens, gaps, self.given)

    @classmethod
    def joined(cls, parts: Sequence["Prompt"]) -> "Prompt":
        """Return prompts one behind the other, with all their gaps and what was given for any of them."""
        whole = cls("")
        for part in parts:
            behind = part.after(whole)
            spans, gaps = (*whole.spans, *behind.spans), (*whole.gaps, *behind.gaps)
            whole = cls(behind, spans, gaps=gaps, given={**whole.given, **behind.given})
        return whole

    def varying(self, parent: str, tokens: int | None = None) -> "Prompt":
        """Return the same text as a prompt for variations of the sample ``parent``, all of whose text must stay."""
        return Prompt(self, (), parent, tokens, self.gaps, self.given)


def filled(prompt: str, drawn: Mapping[str, str]) -> str:
    """Return ``prompt`` with what was drawn in its gaps, where it has some."""
    return prompt.filled(drawn) if isinstance(prompt, Prompt) and prompt.gaps else prompt


def shortened(prompt: str, drop: int) -> str | None:
    """Return ``prompt`` without its ``drop`` leftmost demonstrations, None where it has not that many.

    Everything else, the instruction above all, stays.
    """
    if not drop:
        return prompt
    spans = prompt.spans if isinstance(prompt, Prompt) else ()
    if not isinstance(prompt, Prompt) or drop > len(spans):
        return None
    text, end = "", 0
    for left, right in spans[:drop]:
        text += prompt[end:left]
        end = right

    def moved(position: int) -> int:
        return position - sum(right - left for left, right in spans[:drop] if right <= position)

    kept = [(moved(left), moved(left) + right - left) for left, right in spans[drop:]]
    gaps = [(moved(place), name) for place, name in prompt.gaps]
    return Prompt(text + prompt[end:], kept, prompt.parent, prompt.tokens, gaps, prompt.given)
