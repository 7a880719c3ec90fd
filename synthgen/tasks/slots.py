"""The slots of prompts: what each may have, what it must have, and what is misspelt."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from synthgen.tasks.marked import Marked
from synthgen.tasks.problem import Problem

_BRACES = re.compile(r"\{([^{}\n]{1,30})\}")
_KNOWN = {"label", "text", "text_pair", "demonstrations", "first", "attribute", "context", "tone", "zero_shot"}
ASKING = ("zero_shot", "few_shot", "contrastive")
SHOWING = ("demonstration", "bad", "good")


def slots_of(*, pair: bool, attributes: bool) -> dict[tuple[str, ...], tuple[set[str], set[str]]]:
    """Return, for the path of every prompt of a task file, the slots that it must have and those that it may have."""
    drawn = {name for name, wanted in (("first", pair), ("attribute", attributes)) if wanted}
    shown = {"text", "text_pair"} if pair else {"text"}
    found: dict[tuple[str, ...], tuple[set[str], set[str]]] = {
        ("prompts", "zero_shot"): ({"label"} | drawn, set()),
        ("prompts", "few_shot"): ({"label", "demonstrations"} | drawn, set()),
        ("prompts", "contrastive"): ({"label", "demonstrations"} | drawn, set()),
        ("prompts", "paraphrase"): ({"text"}, {"tone", "zero_shot", "label"} | shown | drawn),
        ("contexts", "zero_shot"): ({"label", "context"} | drawn, set()),
        ("contexts", "prompt"): (set(), set()),
        ("first", "prompt"): (set(), set()),
    }
    return found | {("prompts", name): (shown, set()) for name in SHOWING}


def check_slots_of(marked: Marked) -> Iterator[Problem]:
    """Yield what is wrong with the slots of all prompts that are there, whatever else is wrong."""
    data = marked.data
    pair, attributes = (isinstance(data.get(name), Mapping) for name in ("first", "attributes"))
    for path, (needed, others) in slots_of(pair=pair, attributes=attributes).items():
        template = _at(data, path)
        if not isinstance(template, str):
            continue
        has = {slot for slot in _BRACES.findall(template) if slot in _KNOWN}
        missing, allowed = sorted(needed - has), sorted(needed | others)
        for slot in dict.fromkeys(_BRACES.findall(template)):
            meant = next(iter(get_close_matches(slot.strip().lower(), [*missing, *allowed], n=1, cutoff=0.6)), None)
            if slot not in allowed:
                yield _stranger(marked, path, slot, allowed, meant)
            if slot not in _KNOWN and meant in missing:
                missing.remove(meant)
        for slot in missing:
            yield marked.at(path, f"{'.'.join(path)} has no slot {{{slot}}}")


def _stranger(marked: Marked, path: tuple[str, ...], slot: str, allowed: list[str], meant: str | None) -> Problem:
    name = ".".join(path)
    if slot in _KNOWN:
        may = f"it may have {', '.join(f'{{{one}}}' for one in allowed)}" if allowed else "it has none"
        return marked.at(path, f"{name} cannot have the slot {{{slot}}}; {may}")
    if meant:
        return marked.at(path, f"{name} has an unknown slot {{{slot}}}; did you mean {{{meant}}}?")
    return marked.at(path, f"{name}: {{{slot}}} is no slot, and stays in the prompt as it is", warning=True)


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        data = data.get(step) if isinstance(data, Mapping) else None
    return data
