"""What the texts of a round will be about (ZeroGen's first stage): each PLM names it, in its own words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from synthgen.events import Note, Observer
from synthgen.plms.catalog import PLM
from synthgen.plms.engineroom import EngineRoom
from synthgen.recipe import Recipe
from synthgen.records import Request
from synthgen.runs.folder import RunFolder
from synthgen.runs.journal import Journal
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task


def write_contexts(
    recipe: Recipe, task: Task, plms: Sequence[PLM], count: int, run: RunFolder, room: EngineRoom, number: int,
    observe: Observer,
) -> dict[str, list[str]]:  # fmt: skip
    """Return ``count`` different contexts of each PLM, fewer where ``recipe.attempts`` times asking brings no more.

    A PLM that writes none has no entry.
    """
    held = {plm.name: plm for plm in plms}
    found: dict[str, list[str]] = {}
    for turn in room.turns():
        for name in turn:
            if name in held:
                journal = run.journal(number, held[name], recipe.engine, "contexts")
                if written := _written(recipe, task, name, count, journal, room, number):
                    found[name] = written
                if len(written) < count:
                    observe(
                        Note(f"{name} wrote {len(written)} different contexts, not {count}; they are used in turn.")
                    )
    run.write_contexts(number, found)
    return found


def prompts_about(task: Task, contexts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, list[str]]]:
    """Return ``prompts[plm][label]``, one a context, in the contexts' order."""
    return {
        plm: {label: [task.about_context(label, context) for context in written] for label in task.labels}
        for plm, written in contexts.items()
    }


def _written(
    recipe: Recipe, task: Task, plm: str, count: int, journal: Journal, room: EngineRoom, number: int
) -> list[str]:
    if task.contexts is None:
        raise ValueError(f"task {task.name} has no contexts")
    sampling = replace(task.draw(recipe.temperature, recipe.top_p), max_tokens=task.contexts.max_tokens)
    distinct: dict[str, str] = {}
    asked = 0
    for _ in range(recipe.attempts):
        requests = []
        for serial in range(asked, asked + count - len(distinct)):
            seed = derive_seed(recipe.seed, number, plm, "context", serial)
            name = f"{number:02d}-{plm}-context-{serial:05d}"
            requests.append(Request(name, plm, number, "", task.contexts.prompt, seed, sampling))
        asked += len(requests)
        answered: dict[str, str] = {}
        for batch in journal.replay(requests, partial(room.engine, plm)):
            answered |= {request.id: completion.text for request, completion in batch.pairs}
        for request in requests:
            if context := _trimmed(answered[request.id], sampling.stop):
                distinct.setdefault(context.casefold(), context)
        if len(distinct) >= count:
            break
    return list(distinct.values())[:count]


def _trimmed(text: str, stop: str) -> str:
    """Return the first line up to the closing quote, empty where no letter is in it."""
    line = text.split(stop)[0].strip().split("\n")[0].strip(" .,;:-'")
    return line if any(sign.isalnum() for sign in line) else ""
