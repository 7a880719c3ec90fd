"""What a finished round leaves behind, so that a resume need not go round again."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.curate.curator import Curator
from synthgen.downstream.head import TrainedHead
from synthgen.events import Note, Observer
from synthgen.methods.base import Demonstration
from synthgen.parts import Progress
from synthgen.pool import Reserve
from synthgen.records import Sample
from synthgen.runs.files import intact, seal, write_json, writing
from synthgen.runs.folder import ROUND_FILES, RunFolder

FORMAT = 1
"""A state of another number is of a synthgen whose states this one cannot read: its round is done again."""

_STATE = ("state.json", "state.npz")


def keep_round(
    folder: Path,
    so_far: Progress,
    curator: Curator,
    reserve: Reserve | None,
    loads: Mapping[str, int],
    *,
    with_state: bool,
) -> None:
    """Seal the round that has just ended in ``folder``, ``with_state``: ``state.json`` and ``state.npz``.

    They hold the counts so far (with ``loads`` of this process), the round's fits, and what the curator remembers of
    it. There are none where a fit is more than a linear head: then the round is done again on a resume.
    """
    fits = {"fit": so_far.fits[-1][1], **{f"fit of {plm}": fit for plm, fit in so_far.by_plm.items()}}
    heads = {name: fit.parameters for name, fit in fits.items() if isinstance(fit, TrainedHead)}
    if not with_state or len(heads) < len(fits):
        return seal(folder, ROUND_FILES)
    before = so_far.fits[-2][0] if len(so_far.fits) > 1 else 0
    seen = {f"seen {name}": values for name, values in curator.memory_since(before).items()}
    with writing(folder / "state.npz") as file:
        np.savez(file, **heads, **seen)  # type: ignore[arg-type]
    state = {
        "format": FORMAT,
        "samples": len(so_far.samples),
        "labels": so_far.labels,
        "rejected": so_far.rejected,
        "tokens": so_far.tokens,
        "seconds": so_far.seconds,
        "loads": so_far.loads + Counter(loads),
        "said": so_far.said,
        "pool_left": reserve.left if reserve else {},
    }
    write_json(folder / "state.json", state)
    return seal(folder, (*ROUND_FILES, *_STATE))


def restore_rounds(
    run: RunFolder, so_far: Progress, curator: Curator, reserve: Reserve | None, observe: Observer
) -> list[Demonstration]:
    """Take the first rounds, as far as they are whole on disk, into ``so_far``, ``curator`` and ``reserve``.

    Returns what the next round shows.
    """
    folders = [run.round_folder(number) for number in range(run.recipe.rounds + 1)]
    states = list(_whole(folders, observe))
    for folder in folders[len(states) :]:
        # It may follow on rounds that come out otherwise now.
        (folder / "state.json").unlink(missing_ok=True)
    if not states:
        return []
    for folder, state in zip(folders, states, strict=False):
        _take_in(folder, state, so_far)
    curator.restore(_kept(folder, "seen ") for folder in folders[: len(states)])
    last = states[-1]
    so_far.labels, so_far.rejected = Counter(last["labels"]), Counter(last["rejected"])
    so_far.tokens, so_far.loads = Counter(last["tokens"]), Counter(last["loads"])
    so_far.seconds.update(last["seconds"])
    so_far.said = last["said"]
    if reserve:
        reserve.skip_to(last["pool_left"])
    rounds = "Round 0 is" if len(states) == 1 else f"Rounds 0 to {len(states) - 1} are"
    observe(Note(f"{rounds} taken as written: {len(so_far.samples)} samples."))
    rows = json.loads((folders[len(states) - 1] / "demonstrations.json").read_text(encoding="utf-8"))
    return [Demonstration(Sample(**row), scores) for row in rows for scores in [row.pop("scores")]]


def _whole(folders: list[Path], observe: Observer) -> Iterator[dict[str, Any]]:
    """Yield the states of the first rounds, up to one that is not there or whose files are not as they were."""
    for folder in folders:
        if not (folder / "state.json").is_file():
            return
        if not intact(folder, (*ROUND_FILES, *_STATE)):
            observe(Note(f"Files in {folder} are not as they were written; its round is done again."))
            return
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            return
        yield state


def _take_in(folder: Path, state: Mapping[str, Any], so_far: Progress) -> None:
    so_far.samples.add(folder / "samples.jsonl")
    heads = {name: TrainedHead(parameters) for name, parameters in _kept(folder, "fit").items()}
    so_far.fits.append((state["samples"], heads.pop("")))
    so_far.by_plm = {name.removeprefix(" of "): head for name, head in heads.items()}


def _kept(folder: Path, prefix: str) -> dict[str, Any]:
    """Return the arrays of a state whose names begin with ``prefix``, by what follows it."""
    with np.load(folder / "state.npz", allow_pickle=False) as kept:
        return {name.removeprefix(prefix): kept[name] for name in kept.files if name.startswith(prefix)}
