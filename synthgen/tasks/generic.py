"""A task made from label names alone, with prompts that suit any of them."""

from collections.abc import Sequence

from synthgen.errors import UserError
from synthgen.tasks.names import fault_of
from synthgen.tasks.schema import CurateRules, Prompts
from synthgen.tasks.task import Task

PROMPTS = {
    "zero_shot": 'A text{of}, of the kind "{label}", reads: "',
    "demonstration": "A text reads: {text}\n",
    "few_shot": '{demonstrations}\nOne more text{of}, of the kind "{label}" and different in expression from those '
    'above, reads: "',
    "bad": "A weak text reads: {text}\n",
    "good": "A strong text reads: {text}\n",
    "contrastive": '{demonstrations}\nThe weak and the strong texts above are all{of} and of the kind "{label}". One '
    "more such text, different in expression from the strong ones and further from the weak ones than they are, "
    'reads: "',
}


def generic_task(labels: Sequence[str], about: str | None) -> Task:
    """Return a task with these label names; ``about`` says in a few words what the texts are, such as movie reviews.

    It names no gold data. Raises ``UserError`` where the labels are fewer than two, blank or repeated.
    """
    if any(not label.strip() for label in labels):
        raise UserError("A label name is blank; name every label.")
    if (fault := fault_of(labels)) and not any(len(label.splitlines()) > 1 for label in labels):
        raise UserError(f"{fault[1][0].upper()}{fault[1][1:]}.")
    if any('"' in label or len(label.splitlines()) > 1 for label in labels):
        raise UserError("A label name has a double quote or several lines, which would end the prompt's quote.")
    if repeated := next((label for place, label in enumerate(labels) if label in labels[:place]), None):
        raise UserError(f"The label {repeated!r} stands twice; name every label once.")
    if len(labels) < 2:
        raise UserError("A task needs at least two labels that differ; name them, separated by commas.")
    about = " ".join((about or "").split())
    # Braces in a user's words must not look like a slot.
    of = f" from {about}".replace("{", "(").replace("}", ")") if about else ""
    filled = {name: template.replace("{of}", of) for name, template in PROMPTS.items()}
    return Task(
        name="labels",
        about=about or "texts",
        labels=tuple(labels),
        prompts=Prompts(**filled),
        curate=CurateRules(min_words=3, language=None),
    )
