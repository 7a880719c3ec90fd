"""The parts of a task file, each checked by itself."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PARAPHRASE = (
    "Here is a text:\n{text}\n\nSay it anew {tone}. Keep what it is about and where it stands; choose other words and "
    "another build.\n{zero_shot}"
)


Worded = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Part(BaseModel):
    """A group of settings of a task file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Prompts(Part):
    """Prompt templates with the slots ``{label}``, ``{text}``, ``{demonstrations}``; prompts end in an open quote.

    ``{zero_shot}`` in ``paraphrase`` is the zero-shot prompt, ``{tone}`` a manner of saying it. Tasks with attributes
    have ``{attribute}``, tasks of pairs ``{first}``, the sentence that is given, and ``{text_pair}`` beside ``{text}``.
    Slots are replaced literally, never formatted: braces in a text are just braces.
    """

    zero_shot: str
    demonstration: str
    few_shot: str
    bad: str
    good: str
    contrastive: str
    paraphrase: str = PARAPHRASE

    @model_validator(mode="after")
    def _slots(self) -> "Prompts":
        needed = {
            "zero_shot": ("{label}",),
            "demonstration": ("{text}",),
            "few_shot": ("{demonstrations}", "{label}"),
            "bad": ("{text}",),
            "good": ("{text}",),
            "contrastive": ("{demonstrations}", "{label}"),
            "paraphrase": ("{text}",),
        }
        for name, slots in needed.items():
            for slot in slots:
                if slot not in getattr(self, name):
                    raise ValueError(f"prompt {name!r} has no {slot} slot")
        return self


class Contexts(Part):
    """What a PLM first writes, such as titles of films, for the texts to be about (ZeroGen).

    ``prompt`` ends in an open quote. ``zero_shot`` has the slots ``{label}`` and ``{context}``. ``max_tokens`` bounds a
    context.
    """

    prompt: str
    zero_shot: str
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 10

    @model_validator(mode="after")
    def _slots(self) -> "Contexts":
        for slot in ("{label}", "{context}"):
            if slot not in self.zero_shot:
                raise ValueError(f"the contexts' prompt 'zero_shot' has no {slot} slot")
        return self


class FirstSentences(Part):
    """The sentence of a pair that is given, while a PLM writes the other.

    ``field`` says which of the two it is. ``prompt`` ends in an open quote and asks a PLM for one where the user brings
    none; it has at least ``min_words`` words and at most ``max_tokens`` tokens.
    """

    field: Literal["text", "text_pair"]
    prompt: str
    min_words: Annotated[int, Field(ge=1)] = 5
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 60


class Attributes(Part):
    """Something besides the label that every text is to have, such as a rating; all ``values`` are used alike."""

    name: str
    values: Annotated[tuple[str, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _differ(self) -> "Attributes":
        if len(set(self.values)) != len(self.values):
            raise ValueError("values repeat")
        return self


class TaskSampling(Part):
    """Lengths that suit the task, in tokens."""

    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 100


class CurateRules(Part):
    """What a text of this task must satisfy: length in words and language (ISO 639-1, or None for any).

    With ``ends`` it is cut after the first of these signs, and rejected where there is none. ``has`` names what the
    texts of a label must contain, and those of all others must not.
    """

    min_words: Annotated[int, Field(ge=1)] = 10
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = "en"
    ends: Annotated[str, Field(min_length=1)] | None = None
    has: dict[str, Worded] = Field(default_factory=dict)


class Relabel(Part):
    """A label that gold texts get by what they contain, whatever label they came with."""

    label: str
    contains: Annotated[str, Field(min_length=1)]


class GoldSource(Part):
    """Where gold data comes from: a Hub dataset or local folder (``hub``), or files beside the task file (``path``).

    ``config``, ``split`` and the columns are named as there; several columns of ``text`` are joined by a space.
    ``names`` maps the labels' names there to the task's. ``labels_of`` names a task whose labels, and ids, the data
    have: rows with a label this task lacks are left out. ``limit`` takes that many rows at most, streamed, shuffled by
    a fixed seed. ``train`` is the split whose first sentences, without labels, may be given to PLMs.
    """

    hub: str | None = None
    path: str | None = None
    config: str | None = None
    split: str = "test"
    train: str = "train"
    text: str | tuple[str, ...] = "text"
    text_pair: str | None = None
    label: str = "label"
    names: dict[str, str] = Field(default_factory=dict)
    labels_of: str | None = None
    relabel: tuple[Relabel, ...] = ()
    limit: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "GoldSource":
        if (self.hub is None) == (self.path is None):
            raise ValueError("gold data come from a hub dataset or from a path; give one of the two")
        return self


def check_slots(prompts: Prompts, *, pair: bool, attributes: bool) -> None:
    """Raise ``ValueError`` where prompts lack a slot that this kind of task needs, or have one it cannot fill."""
    asking, showing = ("zero_shot", "few_shot", "contrastive"), ("demonstration", "bad", "good")
    rules: Sequence[tuple[bool, str, Sequence[str]]] = (
        (pair, "{first}", asking),
        (pair, "{text_pair}", showing),
        (attributes, "{attribute}", asking),
    )
    for wanted, slot, names in rules:
        for name in names:
            if (slot in getattr(prompts, name)) != wanted:
                raise ValueError(f"prompt {name!r} has {'no' if wanted else 'a'} {slot} slot")
