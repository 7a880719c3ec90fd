"""What is wrong with prompts that are well formed: labels that leak, ends that are shut, labels worded alike."""

import re
from collections.abc import Iterator

from synthgen.tasks.marked import Marked
from synthgen.tasks.problem import Problem
from synthgen.tasks.slots import ASKING, SHOWING
from synthgen.tasks.task import Task

_SLOT = re.compile(r"\{[a-z_]+\}")
TOKENS_A_LETTER = 1 / 3.5
"""Rough, on the safe side, for English text; nothing is loaded for a check."""


def judge_prompts(task: Task, marked: Marked, context: int) -> Iterator[Problem]:
    """Yield what to mend in the prompts of a task; ``context`` is how many tokens the shortest-sighted PLM reads."""
    yield from _ends(task, marked)
    yield from _leaks(task, marked)
    yield from _alike(task, marked)
    yield from _lengths(task, marked, context)


def _ends(task: Task, marked: Marked) -> Iterator[Problem]:
    for path, template in _asking(task):
        name = ".".join(path)
        if path[-1] == "paraphrase" and template.endswith("{zero_shot}"):
            continue
        said = "end it with a double quote and nothing behind it, for a PLM closes the quote where its text ends"
        if not template.endswith('"'):
            yield marked.at(path, f"{name} does not end in an open quote; {said}")
        elif _SLOT.sub("", template).count('"') % 2 == 0:
            said = "every quote in it is closed; one must be left open at its end"
            yield marked.at(path, f"{name} does not end in an open quote: {said}")
    for name in SHOWING:
        if not getattr(task.prompts, name).endswith("\n"):
            said = f"prompts.{name} does not end in a line break (\\n), so that demonstrations run into each other"
            yield marked.at(("prompts", name), said, warning=True)


def _leaks(task: Task, marked: Marked) -> Iterator[Problem]:
    for name in SHOWING:
        for label, word in _named(task, getattr(task.prompts, name)):
            said = f"prompts.{name} names the label {label} ({word!r}); what is shown goes to every label, so name none"
            yield marked.at(("prompts", name), said)
    for path, template in _asking(task):
        for label, word in _named(task, template):
            said = f"{'.'.join(path)} names the label {label} ({word!r}) whichever it asks for; {{label}} may be meant"
            yield marked.at(path, said, warning=True)


def _named(task: Task, template: str) -> Iterator[tuple[str, str]]:
    """Yield the labels that a template names, with the words it does so in."""
    text = _SLOT.sub("\n", template)
    for label in task.labels:
        for word in (task.wording(label), label, label.replace("_", " ")):
            # One or two letters are more often a word, such as an article, than the label.
            if len(word) > 2 and (found := re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)):
                yield label, found[0]
                break


def _alike(task: Task, marked: Marked) -> Iterator[Problem]:
    worded = {label: " ".join(task.wording(label).casefold().split()) for label in task.labels}
    for place, label in enumerate(task.labels):
        path = ("describe", label) if label in task.describe else ("labels", place)
        for other in task.labels:
            if other != label and worded[other] == worded[label] and other in task.labels[:place]:
                said = f"the labels {other} and {label} are worded alike in prompts ({task.wording(label)!r})"
                yield marked.at(path, f"{said}; describe them apart")
            elif worded[other] != worded[label] and f" {worded[label]} " in f" {worded[other]} ":
                said = f"the wording of {label} ({task.wording(label)!r}) is part of that of {other}"
                yield marked.at(path, f"{said} ({task.wording(other)!r}); PLMs may mix them up", warning=True)


def _lengths(task: Task, marked: Marked, context: int) -> Iterator[Problem]:
    if task.curate.min_words > task.sampling.max_tokens:
        said = (
            f"curate.min_words ({task.curate.min_words}) is more than sampling.max_tokens ({task.sampling.max_tokens})"
        )
        yield marked.at(("curate", "min_words"), f"{said}: every text would be rejected")
    longest = max(task.labels, key=lambda label: len(task.wording(label)))
    given = (task.first.max_tokens if task.first else 0) + (20 if task.attributes else 0)
    written, room = task.sampling.max_tokens, context - task.sampling.max_tokens
    zero_shot = _tokens(task.prompts.zero_shot, task.wording(longest)) + given
    for name in (*ASKING, "paraphrase"):
        template = getattr(task.prompts, name)
        tokens = _tokens(template, task.wording(longest)) + given
        if name == "paraphrase" and zero_shot <= room:
            tokens += written + ("{zero_shot}" in template) * zero_shot
        if tokens > room:
            said = f"prompts.{name} is about {tokens} tokens long without demonstrations"
            said += f", which leaves no room for {written} more in the {context} that some PLMs read"
            yield marked.at(("prompts", name), said, warning=True)


def _tokens(template: str, wording: str) -> int:
    return round(len(template.replace("{label}", wording)) * TOKENS_A_LETTER)


def _asking(task: Task) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the prompts that a PLM answers."""
    for name in (*ASKING, "paraphrase"):
        yield ("prompts", name), getattr(task.prompts, name)
    if task.contexts:
        yield ("contexts", "prompt"), task.contexts.prompt
        yield ("contexts", "zero_shot"), task.contexts.zero_shot
    if task.first:
        yield ("first", "prompt"), task.first.prompt
