"""A task: its label names, its prompts, and where its gold data comes from."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from synthgen.errors import UserError
from synthgen.prompt import Prompt
from synthgen.records import Sample, Sampling
from synthgen.tasks.names import fault_of
from synthgen.tasks.schema import (
    Attributes,
    Contexts,
    CurateRules,
    FirstSentences,
    GoldSource,
    Part,
    Prompts,
    TaskSampling,
    Worded,
    check_slots,
)
from synthgen.text import Pair

FIRST, ATTRIBUTE = "first", "attribute"
EXAMPLE = "<a first sentence>"


class Task(Part):
    """A classification task. ``labels`` are in the order of the Hub dataset's ids; ``describe`` words them in prompts.

    A label without a description is worded as its name, in lower case and with spaces for underscores. A task of pairs
    has ``first``: one sentence is given, and a PLM writes the other.
    """

    name: Annotated[str, Field(pattern=r"^[^\s/\\.][^/\\\n]*$")]
    about: str
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    describe: dict[str, Worded] = Field(default_factory=dict)
    prompts: Prompts
    first: FirstSentences | None = None
    attributes: Attributes | None = None
    sampling: TaskSampling = TaskSampling()
    curate: CurateRules = CurateRules()
    gold: GoldSource | None = None
    contexts: Contexts | None = None

    @model_validator(mode="after")
    def _labels(self) -> "Task":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if fault := fault_of(self.labels):
            raise ValueError(fault[1])
        for name, group in (("describe", self.describe), ("curate.has", self.curate.has)):
            if unknown := set(group) - set(self.labels):
                raise ValueError(f"{name} names labels the task does not have: {', '.join(sorted(unknown))}")
        check_slots(self.prompts, pair=self.first is not None, attributes=self.attributes is not None)
        return self

    def label_id(self, label: str) -> int:
        """Return the position of a label name. Raises ``UserError`` for a name the task does not have."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise UserError(
                f"Task {self.name} has no label {label!r}; its labels are {', '.join(self.labels)}."
            ) from None

    def zero_shot(self, label: str) -> Prompt:
        """Return the prompt without demonstrations; what is drawn for each request is still open."""
        return self._composed(self.prompts.zero_shot, label)

    def about_context(self, label: str, context: str) -> Prompt:
        """Return the zero-shot prompt for a text about ``context``. The task must have contexts."""
        if self.contexts is None:
            raise ValueError(f"task {self.name} has no contexts")
        return self._composed(self.contexts.zero_shot, label, context=_one_line(context))

    def few_shot(self, label: str, demonstrations: Sequence[str]) -> Prompt:
        """Return the prompt that shows ``demonstrations`` first, unlabelled, and asks for ``label`` last."""
        shown = [_shown(self.prompts.demonstration, text) for text in demonstrations]
        return self._composed(self.prompts.few_shot, label, demonstrations=shown)

    def contrastive(self, label: str, bad: Sequence[str], good: Sequence[str]) -> Prompt:
        """Return the prompt that shows a block of bad samples of ``label``, then a block of good ones."""
        shown = [_shown(self.prompts.bad, text) for text in bad]
        shown += [_shown(self.prompts.good, text) for text in good]
        return self._composed(self.prompts.contrastive, label, demonstrations=shown)

    def paraphrase(self, parent: Sample, tone: str) -> Prompt:
        """Return the prompt that asks for ``parent`` in other words; what was drawn for it is drawn again."""
        values = {**_parts(parent.whole), "tone": tone, "label": self.wording(parent.label)}
        parts = [
            Prompt.composed(part, values, (FIRST, ATTRIBUTE)) for part in self.prompts.paraphrase.split("{zero_shot}")
        ]
        asked = self.zero_shot(parent.label)
        woven = [parts[0], *(piece for part in parts[1:] for piece in (asked, part))]
        return Prompt.joined(woven).filled(self.drawn_for(parent))

    def drawn_for(self, sample: Sample) -> dict[str, str]:
        """Return what was drawn for the request of a sample: the sentence that was given, and the attribute."""
        drawn = self.given_of(sample.whole)
        if self.attributes and sample.attribute is not None:
            drawn[ATTRIBUTE] = sample.attribute
        return drawn

    def paired(self, first: str, written: str) -> tuple[str, str | None]:
        """Return text and text_pair of a sample for which ``first`` was given and ``written`` by a PLM."""
        if self.first is None:
            return written, None
        return (first, written) if self.first.field == "text" else (written, first)

    def written(self, text: str) -> str:
        """Return what the PLM wrote of a text: of a pair the sentence that was not given."""
        if self.first is None or not isinstance(text, Pair):
            return text
        return text.text_pair if self.first.field == "text" else text.text

    def given_of(self, text: str) -> dict[str, str]:
        """Return what was given for a text, by name: of a pair the sentence that the PLM did not write."""
        if self.first is None or not isinstance(text, Pair):
            return {}
        return {FIRST: _one_line(text.text if self.first.field == "text" else text.text_pair)}

    def as_sent(self, prompt: str) -> str:
        """Return a prompt with an example of what is drawn for each request."""
        values = self.attributes.values[0] if self.attributes else ""
        drawn = {FIRST: EXAMPLE, ATTRIBUTE: values}
        return str(prompt.filled(drawn)) if isinstance(prompt, Prompt) else prompt

    def wording(self, label: str) -> str:
        """Return how prompts word a label. Raises ``UserError`` for a name the task does not have."""
        self.label_id(label)
        return self.describe.get(label, label.replace("_", " ").lower())

    def draw(self, temperature: float = 1.0, top_p: float = 0.9) -> Sampling:
        """Return the sampling settings of this task."""
        return Sampling(temperature=temperature, top_p=top_p, max_tokens=self.sampling.max_tokens)

    def _composed(self, template: str, label: str, **values: str | Sequence[str]) -> Prompt:
        return Prompt.composed(template, {**values, "label": self.wording(label)}, (FIRST, ATTRIBUTE))


def _shown(template: str, text: str) -> str:
    return str(Prompt.composed(template, _parts(text)))


def _parts(text: str) -> dict[str, str]:
    if isinstance(text, Pair):
        return {"text": _one_line(text.text), "text_pair": _one_line(text.text_pair)}
    # Only a prompt's example shows one text where there are pairs.
    return {"text": _one_line(text), "text_pair": EXAMPLE}


def _one_line(text: str) -> str:
    return " ".join(text.split())
