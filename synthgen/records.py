"""The four things that pass between the rooms: sampling settings, requests, completions, samples."""

from dataclasses import dataclass
from typing import Any, Literal

from synthgen.text import whole

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a PLM draws its tokens.

    ``top_p`` in (0, 1], ``temperature`` > 0, lengths in tokens. A completion ends at the first ``stop`` string, which
    is not part of its text, or after ``max_tokens``. ``debias`` is the strength (lambda) of self-debiasing against the
    request's ``counters``, 0 for none.
    """

    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 100
    stop: str = '"'
    debias: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one PLM with its own seed. ``id`` is unique in a run.

    A ``prompt`` that is a ``Prompt`` may lose demonstrations where it is longer than the PLM's context. ``counters``
    are the same prompt for the other labels, where the text is to be debiased against them.
    """

    id: str
    plm: str
    round: int
    label: str
    prompt: str
    seed: int
    sampling: Sampling = Sampling()
    counters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for ``request`` (its id): the text before the stop string, and token counts.

    ``cached_tokens`` of the prompt were read before and not again. ``dropped`` demonstrations, the leftmost, were left
    out of a prompt that was longer than the PLM's context.
    """

    request: str
    text: str
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """An accepted labelled text. ``label`` is a label name; ``request`` the id of the request that produced it;
    ``parent`` the id of the sample it is a variation of; ``attribute`` what else it was to be, where the task asks for
    something besides the label.
    """

    id: str
    text: str
    label: str
    plm: str
    round: int
    request: str
    text_pair: str | None = None
    weight: float = 1.0
    parent: str | None = None
    attribute: str | None = None

    @property
    def whole(self) -> str:
        """The text, or the pair where there are two."""
        return whole(self.text, self.text_pair)

    def to_row(self) -> dict[str, Any]:
        """Return the sample as a JSON object, without ``text_pair``, ``parent``, ``attribute`` where there is none."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A completion that did not become a sample, and why."""

    request: str
    text: str
    label: str
    plm: str
    round: int
    reason: str

    def to_row(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}
