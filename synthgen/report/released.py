"""What private samples said of each synthetic one, read from a run folder: released values, and nothing private."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.blocks import in_blocks
from synthgen.embedders.base import Embedder
from synthgen.embedders.registry import make_embedder
from synthgen.errors import UserError
from synthgen.privacy.smoothing import closeness
from synthgen.privacy.voting import SCALE, quantised
from synthgen.report.ranking import Samples, Scores, scattered
from synthgen.runs.read import Run
from synthgen.runs.sample_table import Rows, SampleTable
from synthgen.text import whole

_BY_SAMPLE = ("votes", "scores")
_BLOCK = 4096

Releases = list[tuple[int, str, dict[str, Any]]]


def releases_of(run: Run) -> Releases:
    """Return (round, name, release) of each release that says something of single samples, in order of rounds.

    Raises ``UserError`` where a ``votes.json`` is damaged.
    """
    return [
        (int(path.parent.name), name, release)
        for path in sorted(run.path.glob("rounds/*/votes.json"))
        for name, release in _read(path).items()
        if name in (*_BY_SAMPLE, "sums")
    ]


def by_votes(run: Run, samples: Samples, labels: Sequence[str], releases: Releases) -> Scores:
    """Return a score a sample, the higher the better: what was released of it last, or follows from a released sum.

    ``votes``: votes as the nearest, minus those as the furthest where there are such. ``score``: PCEvolve's. Samples
    that stood in no ballot have none. ``closeness``: the estimated sum of cosines to the private samples of the label,
    of all ``samples``; this embeds them, and is post-processing. ``labels`` are the task's, in the order of their ids.
    Raises ``UserError`` where the embedder of the run is missing, or is another one now.
    """
    table = SampleTable.of(samples)
    last = releases[-1][2]
    if releases[-1][1] == "sums":
        kind, known = "closeness", np.ones(len(table), dtype=bool)
        values = {kind: _closeness(run, table, labels, last)}
    else:
        kind = "votes" if releases[-1][1] == "votes" else "score"
        found: dict[str, tuple[float, int]] = {}
        for number, _, release in releases:
            found |= {id_: (value, number) for id_, value in zip(release["samples"], _per_sample(release), strict=True)}
        scores, rounds = ([pair[side] for pair in found.values()] for side in (0, 1))
        values, known = scattered(table, found, **{kind: scores, "after": rounds})
    return Scores("votes", values, known, (-values[kind],), (values[kind],), _notes(run, kind, last))


def _per_sample(release: Mapping[str, Any]) -> list[float]:
    values, count = release["values"], len(release["samples"])
    if release.get("design") != "two":
        return list(values)
    return [near - far for near, far in zip(values[:count], values[count:], strict=True)]


def _closeness(run: Run, table: SampleTable, labels: Sequence[str], release: Mapping[str, Any]) -> NDArray[np.float64]:
    embedder = make_embedder(run.recipe.embedder)
    values = np.array(release["values"]) / SCALE
    scores = np.zeros(len(table))
    for number, label in enumerate(labels):
        own = np.flatnonzero(table.codes["label"] == _code(table, label))
        rows = _embedded(table, own, embedder)
        if len(own) and len(values) != len(labels) * rows.shape[1]:
            raise UserError(f"The embedder {run.recipe.embedder} is not the one that {run.path} was made with.")
        if len(own):
            scores[own] = closeness(values.reshape(len(labels), -1)[number], release["sigma"] / SCALE, rows)
    return scores


def _code(table: SampleTable, label: str) -> int:
    return list(table.names["label"]).index(label) if label in table.names["label"] else -1


def _embedded(table: SampleTable, places: Rows, embedder: Embedder) -> NDArray[np.float32]:
    """Return the unit rows (n, d) of some samples; of their texts some thousand are in memory."""
    samples, rows = table.each(places), []
    for block in in_blocks(samples, _BLOCK):
        texts = [whole(sample["text"], sample.get("text_pair")) for sample in block]
        rows.append(quantised(embedder.encode(texts)) / np.float32(SCALE))
    return np.concatenate(rows) if rows else np.empty((0, 0), dtype=np.float32)


def _notes(run: Run, kind: str, release: Mapping[str, Any]) -> tuple[str, ...]:
    said = {
        "votes": "votes of private samples, as released when the sample last stood for election",
        "score": "the scores by private samples, as released when the sample could last be chosen",
        "closeness": "closeness to the private samples of the label, estimated from their released sum",
    }[kind]
    noise = "" if kind == "closeness" else f" The noise on each has a standard deviation of {release['sigma']:.3g}."
    if not run.recipe.privacy.enabled:
        noise = " They hold no noise: the private samples of this run were not protected."
    return (f"By votes: {said}.{noise} No private sample was read for this.",)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8"))["releases"])
        for name in found.keys() & set(_BY_SAMPLE):
            _check_length(found[name])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(f"{path} is damaged; take --by dynamics.") from None
    return found


def _check_length(release: Mapping[str, Any]) -> None:
    each = 2 if release.get("design") == "two" else 1
    if len(release["values"]) != each * len(release["samples"]):
        raise ValueError
