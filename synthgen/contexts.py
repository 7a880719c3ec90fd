"""What a PLM writes before the texts of a round: what they are about (ZeroGen's first stage), or first sentences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from synthgen.curate.clean import clean
from synthgen.curate.words import words
from synthgen.events import Note, Observer
from synthgen.plms.catalog import PLM
from synthgen.plms.engineroom import EngineRoom
from synthgen.recipe import Recipe
from synthgen.records import Request
from synthgen.runs.folder import RunFolder
from synthgen.runs.journal import Journal
from synthgen.seeds import derive_seed
from synthgen.tasks.first_sentences import quotable
from synthgen.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Prelude:
    """What is asked for: its name, the prompt, the most tokens, and what of an answer is kept (empty for nothing)."""

    name: str
    prompt: str
    max_tokens: int
    kept: Callable[[str, str], str]


def contexts_of(task: Task) -> Prelude:
    """Return how contexts are asked for. The task must have some."""
    if task.contexts is None:
        raise ValueError(f"task {task.name} has no contexts")
    return Prelude("context", task.contexts.prompt, task.contexts.max_tokens, _trimmed)


def first_sentences_of(task: Task) -> Prelude:
    """Return how first sentences are asked for. The task must be one of pairs."""
    if task.first is None:
        raise ValueError(f"task {task.name} has no pairs")
    least = task.first.min_words

    def kept(text: str, stop: str) -> str:
        sentence = quotable(clean(text, "length", stop))
        return sentence if len(words(sentence)) >= least else ""

    return Prelude("first_sentence", task.first.prompt, task.first.max_tokens, kept)


def write_prelude(
    recipe: Recipe, task: Task, prelude: Prelude, counts: Mapping[str, int], plms: Sequence[PLM], run: RunFolder,
    room: EngineRoom, number: int, observe: Observer,
) -> dict[str, list[str]]:  # fmt: skip
    """Return ``counts[plm]`` different answers of each PLM; one that writes none has no entry.

    They are fewer where asking ``recipe.attempts`` times brings no more.
    """
    many = f"{prelude.name.replace('_', ' ')}s"
    held = {plm.name: plm for plm in plms}
    found: dict[str, list[str]] = {}
    for turn in room.turns():
        for name in turn:
            if name in held and (count := counts.get(name)):
                journal = run.journal(number, held[name], recipe.engine, f"{prelude.name}s")
                if written := _written(recipe, task, prelude, name, count, journal, room, number):
                    found[name] = written
                if len(written) < count:
                    observe(Note(f"{name} wrote {len(written)} different {many}, not {count}; they are used in turn."))
    run.write_prelude(number, f"{prelude.name}s", found)
    return found


def prompts_about(task: Task, contexts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, list[str]]]:
    """Return ``prompts[plm][label]``, one a context, in the contexts' order."""
    return {
        plm: {label: [task.about_context(label, context) for context in written] for label in task.labels}
        for plm, written in contexts.items()
    }


def _written(
    recipe: Recipe, task: Task, prelude: Prelude, plm: str, count: int, journal: Journal, room: EngineRoom, number: int
) -> list[str]:
    sampling = replace(task.draw(recipe.temperature, recipe.top_p), max_tokens=prelude.max_tokens)
    distinct: dict[str, str] = {}
    asked = 0
    for _ in range(recipe.attempts):
        requests = []
        for serial in range(asked, asked + count - len(distinct)):
            seed = derive_seed(recipe.seed, number, plm, prelude.name, serial)
            name = f"{number:02d}-{plm}-{prelude.name}-{serial:05d}"
            requests.append(Request(name, plm, number, "", prelude.prompt, seed, sampling))
        asked += len(requests)
        answered: dict[str, str] = {}
        for batch in journal.replay(requests, partial(room.engine, plm)):
            answered |= {request.id: completion.text for request, completion in batch.pairs}
        for request in requests:
            if kept := prelude.kept(answered[request.id], sampling.stop):
                distinct.setdefault(kept.casefold(), kept)
        if len(distinct) >= count:
            break
    return list(distinct.values())[:count]


def _trimmed(text: str, stop: str) -> str:
    """Return the first line up to the closing quote, empty where no letter is in it."""
    line = text.split(stop)[0].strip().split("\n")[0].strip(" .,;:-'")
    return line if any(sign.isalnum() for sign in line) else ""
