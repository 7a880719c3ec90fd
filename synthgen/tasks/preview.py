"""The prompts of a task as PLMs get them, with placeholders for what a run chooses."""

from synthgen.records import Sample
from synthgen.tasks.task import ATTRIBUTE, Task
from synthgen.text import whole

LABELLESS = ("first.prompt", "contexts.prompt")
"""Prompts that are the same for every label."""
TONE = "as one would tell a friend"
_SHOWN = ("<a chosen text>", "<another chosen text>")


def prompts_of(task: Task, label: str) -> dict[str, str]:
    """Return the prompts for a label by their names in the task file. Raises ``UserError`` for a label it has not."""
    pair = "<its text_pair>" if task.first else None
    one, two = (whole(text, pair) for text in _SHOWN)
    first_attribute = task.attributes.values[0] if task.attributes else None
    parent = Sample("", _SHOWN[0], label, "", 0, "", text_pair=pair, attribute=first_attribute)
    found: dict[str, str] = {}
    if task.first:
        found["first.prompt"] = task.first.prompt
    if task.contexts:
        found["contexts.prompt"] = task.contexts.prompt
        found["contexts.zero_shot"] = task.about_context(label, "<what it wrote>")
    asked = {
        "zero_shot": task.zero_shot(label),
        "few_shot": task.few_shot(label, [one, two]),
        "contrastive": task.contrastive(label, [one], [two]),
        "paraphrase": task.paraphrase(parent, TONE),
    }
    return {name: task.as_sent(prompt) for name, prompt in {**found, **asked}.items()}


def attribute_note(task: Task) -> str | None:
    """Return what is enumerated beside the label, in words; None where nothing is."""
    if task.attributes is None:
        return None
    values = ", ".join(task.attributes.values)
    return f"{ATTRIBUTE} ({task.attributes.name}), each in turn: {values}"
