"""A task: its label names, its prompts, and where its gold data comes from."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthgen.errors import UserError
from synthgen.prompt import Prompt
from synthgen.records import Sampling


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prompts(_Part):
    """Prompt templates with the slots ``{label}``, ``{text}``, ``{demonstrations}``; prompts end in an open quote.

    Slots are replaced literally, never formatted: braces in a text are just braces.
    """

    zero_shot: str
    demonstration: str
    few_shot: str
    bad: str
    good: str
    contrastive: str

    @model_validator(mode="after")
    def _slots(self) -> "Prompts":
        needed = {
            "zero_shot": ("{label}",),
            "demonstration": ("{text}",),
            "few_shot": ("{demonstrations}", "{label}"),
            "bad": ("{text}",),
            "good": ("{text}",),
            "contrastive": ("{demonstrations}", "{label}"),
        }
        for name, slots in needed.items():
            for slot in slots:
                if slot not in getattr(self, name):
                    raise ValueError(f"prompt {name!r} has no {slot} slot")
        return self


class Contexts(_Part):
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


class TaskSampling(_Part):
    """Lengths that suit the task, in tokens."""

    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 100


class CurateRules(_Part):
    """What a text of this task must satisfy: length in words and language (ISO 639-1, or None for any)."""

    min_words: Annotated[int, Field(ge=1)] = 10
    language: str | None = "en"


class GoldSource(_Part):
    """A Hub dataset with the names of its split and columns."""

    hub: str
    split: str = "test"
    text: str = "text"
    label: str = "label"


class Task(_Part):
    """A classification task. ``labels`` are in the order of the Hub dataset's ids; ``describe`` words them in prompts.

    A label without a description is worded as its name, in lower case and with spaces for underscores.
    """

    name: str
    about: str
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    describe: dict[str, str] = {}
    prompts: Prompts
    sampling: TaskSampling = TaskSampling()
    curate: CurateRules = CurateRules()
    gold: GoldSource | None = None
    contexts: Contexts | None = None

    @model_validator(mode="after")
    def _labels(self) -> "Task":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if unknown := set(self.describe) - set(self.labels):
            raise ValueError(f"describe names labels the task does not have: {', '.join(sorted(unknown))}")
        return self

    def label_id(self, label: str) -> int:
        """Return the position of a label name. Raises ``UserError`` for a name the task does not have."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise UserError(
                f"Task {self.name} has no label {label!r}; its labels are {', '.join(self.labels)}."
            ) from None

    def zero_shot(self, label: str) -> str:
        """Return the prompt without demonstrations."""
        return self._fill(self.prompts.zero_shot, label)

    def about_context(self, label: str, context: str) -> str:
        """Return the zero-shot prompt for a text about ``context``. The task must have contexts."""
        if self.contexts is None:
            raise ValueError(f"task {self.name} has no contexts")
        return self._fill(self.contexts.zero_shot, label).replace("{context}", _one_line(context))

    def few_shot(self, label: str, demonstrations: Sequence[str]) -> Prompt:
        """Return the prompt that shows ``demonstrations`` first, unlabelled, and asks for ``label`` last."""
        shown = [self.prompts.demonstration.replace("{text}", _one_line(text)) for text in demonstrations]
        return Prompt.around(self._fill(self.prompts.few_shot, label), "{demonstrations}", shown)

    def contrastive(self, label: str, bad: Sequence[str], good: Sequence[str]) -> Prompt:
        """Return the prompt that shows a block of bad samples of ``label``, then a block of good ones."""
        shown = [self.prompts.bad.replace("{text}", _one_line(text)) for text in bad]
        shown += [self.prompts.good.replace("{text}", _one_line(text)) for text in good]
        return Prompt.around(self._fill(self.prompts.contrastive, label), "{demonstrations}", shown)

    def _fill(self, template: str, label: str) -> str:
        self.label_id(label)
        return template.replace("{label}", self.describe.get(label, label.replace("_", " ").lower()))

    def draw(self, temperature: float = 1.0, top_p: float = 0.9) -> Sampling:
        """Return the sampling settings of this task."""
        return Sampling(temperature=temperature, top_p=top_p, max_tokens=self.sampling.max_tokens)


def _one_line(text: str) -> str:
    return " ".join(text.split())
