"""What private samples said of each synthetic one, read from a run folder: released values, and nothing private."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.embedders.registry import make_embedder
from synthgen.errors import UserError
from synthgen.privacy.smoothing import closeness
from synthgen.privacy.voting import SCALE, quantised
from synthgen.report.ranking import Scores
from synthgen.runs.read import Run
from synthgen.text import whole

_BY_SAMPLE = ("votes", "scores")

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


def by_votes(run: Run, samples: Sequence[Mapping[str, Any]], labels: Sequence[str], releases: Releases) -> Scores:
    """Return a score a sample, the higher the better: what was released of it last, or follows from a released sum.

    ``votes``: votes as the nearest, minus those as the furthest where there are such. ``score``: PCEvolve's. Samples
    that stood in no ballot have none. ``closeness``: the estimated sum of cosines to the private samples of the label,
    of all ``samples``; this embeds them, and is post-processing. ``labels`` are the task's, in the order of their ids.
    Raises ``UserError`` where the embedder of the run is missing, or is another one now.
    """
    known: dict[str, dict[str, float]] = {}
    kind = "closeness"
    for number, name, release in releases:
        if name == "sums":
            near = _closeness(run, samples, labels, release).tolist()
            known |= {row["id"]: {"closeness": value} for row, value in zip(samples, near, strict=True)}
        else:
            kind = "votes" if name == "votes" else "score"
            values = zip(release["samples"], _per_sample(release), strict=True)
            known |= {id_: {kind: value, "after": number} for id_, value in values}
    return Scores("votes", known, lambda one: -one[kind], lambda one: one[kind], _notes(run, kind, releases[-1][2]))


def _per_sample(release: Mapping[str, Any]) -> list[float]:
    values, count = release["values"], len(release["samples"])
    if release.get("design") != "two":
        return list(values)
    return [near - far for near, far in zip(values[:count], values[count:], strict=True)]


def _closeness(
    run: Run, samples: Sequence[Mapping[str, Any]], labels: Sequence[str], release: Mapping[str, Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    texts = [whole(sample["text"], sample.get("text_pair")) for sample in samples]
    rows = quantised(make_embedder(run.recipe.embedder).encode(texts)) / np.float32(SCALE)
    values = np.array(release["values"]) / SCALE
    if len(values) != len(labels) * rows.shape[1]:
        raise UserError(f"The embedder {run.recipe.embedder} is not the one that {run.path} was made with.")
    scores = np.empty(len(samples))
    for label, total in zip(labels, values.reshape(len(labels), -1), strict=True):
        own = np.flatnonzero([sample["label"] == label for sample in samples])
        scores[own] = closeness(total, release["sigma"] / SCALE, rows[own])
    return scores


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
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is damaged; take --by dynamics.") from None
    return found


def _check_length(release: Mapping[str, Any]) -> None:
    each = 2 if release.get("design") == "two" else 1
    if len(release["values"]) != each * len(release["samples"]):
        raise ValueError
