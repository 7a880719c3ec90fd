"""The best and the worst samples of each PLM and label, by whatever scored them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.runs.sample_table import Rows, SampleTable, found_in

SCORES = ("id", "confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability")
"""The columns of a run's dynamics that say something of a sample as a whole."""

Values = NDArray[Any]
Samples = SampleTable | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Scores:
    """What samples are ranked by. All arrays are of shape (n,), a value a sample, in the order of the samples.

    ``values`` are the scores by name, and mean something where ``known``; for influence and votes ``after`` is the
    round after which they were given. ``best`` and ``worst`` are the sort keys of the two ends, the first decides, each
    the lowest first; an end that is None does not exist. ``notes`` are sentences for whoever reads the ranking.
    """

    by: str
    values: Mapping[str, Values]
    known: NDArray[np.bool_]
    best: tuple[Values, ...] | None
    worst: tuple[Values, ...] | None
    notes: tuple[str, ...] = ()


class SampleGroup(TypedDict):
    """``best`` from the best down, ``worst`` from the worst up: each the ``sample``'s row beside its scores by name.

    ``size`` counts the group's samples that have scores, ``left_out`` those that have none.
    """

    plm: str
    label: str
    by: str
    size: int
    left_out: int
    best: list[dict[str, Any]]
    worst: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of a group by place: which samples a ``SampleGroup`` has, without their texts."""

    plm: str
    label: str
    size: int
    left_out: int
    best: tuple[int, ...]
    worst: tuple[int, ...]


def ranked(samples: Samples, scores: Scores, count: int) -> list[SampleGroup]:
    """Return up to ``count`` best and worst samples per PLM and label, in order of first appearance.

    No sample is at both ends; in a small group the best take the larger half. Ties are settled by the id, so that the
    order of the samples decides nothing within a group.
    """
    table = SampleTable.of(samples)
    return with_texts(table, scores, ends(table, scores, count))


def ends(table: SampleTable, scores: Scores, count: int) -> list[Ends]:
    """Return what ``ranked`` does, without the samples' texts."""
    return [_ends(table, plm, label, held, scores, count) for plm, label, held in table.grouped()]


def with_texts(table: SampleTable, scores: Scores, found: Sequence[Ends]) -> list[SampleGroup]:
    """Return the groups with their samples, which are read in one go."""
    places = [place for group in found for place in (*group.best, *group.worst)]
    rows = iter(table.rows(places))

    def scored(places: Iterable[int]) -> list[dict[str, Any]]:
        named = scores.values.items()
        return [{"sample": next(rows), **{name: values[place].item() for name, values in named}} for place in places]

    return [
        {
            "plm": group.plm,
            "label": group.label,
            "by": scores.by,
            "size": group.size,
            "left_out": group.left_out,
            "best": scored(group.best),
            "worst": scored(group.worst),
        }
        for group in found
    ]


def best_and_worst(samples: Samples, dynamics: pa.Table, count: int) -> list[SampleGroup]:
    """Return the groups of ``ranked`` by ``by_dynamics``, but for those in which no sample has dynamics."""
    table = SampleTable.of(samples)
    return [group for group in ranked(table, by_dynamics(table, dynamics), count) if group["size"]]


def by_dynamics(table: SampleTable, dynamics: pa.Table) -> Scores:
    """Return the scores of a run's dynamics: confidence, variability, correctness.

    The first two are cross-model where there are several STMs, else of the own STM's training. Best is the highest
    confidence minus variability (learned by all), worst the lowest confidence (learned by none, the mark of a wrong
    label).
    """
    own = aligned(table, dynamics, ("confidence", "variability", "correctness"))
    cross = aligned(table, dynamics, ("cross_model_confidence", "cross_model_variability"))
    crossed = np.all([np.isfinite(values) for values in cross.values()], axis=0)
    confidence = np.where(crossed, cross["cross_model_confidence"], own["confidence"])
    variability = np.where(crossed, cross["cross_model_variability"], own["variability"])
    known = np.isfinite(confidence) & np.isfinite(variability) & np.isfinite(own["correctness"])
    models = (crossed & known).any()
    over = "between the small models of all PLMs" if models else "between the epochs of the PLM's small model"
    return Scores(
        "dynamics",
        {"confidence": confidence, "variability": variability, "correctness": own["correctness"]},
        known,
        (variability - confidence,),
        (confidence, variability),
        (f"By dynamics: the label's probability, mean ± spread {over}. Low ones may be labelled wrongly.",),
    )


def aligned(table: SampleTable, dynamics: pa.Table, columns: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return columns of ``dynamics`` with a value a sample, NaN where it has none."""
    rows = found_in(table.ids, dynamics["id"].combine_chunks().cast(pa.binary()))
    return {name: np.append(dynamics[name].to_numpy().astype(np.float64), np.nan)[rows] for name in columns}


def scattered(table: SampleTable, ids: Iterable[str], **columns: Sequence[Any]) -> tuple[dict[str, Values], Values]:
    """Return columns with a value a sample, from those with a value for each of ``ids``, and which samples have one.

    Of an id that is there several times the last counts; ids that are no sample's are left out.
    """
    places = table.places_of(ids)
    there = places >= 0
    known = np.zeros(len(table), dtype=bool)
    known[places[there]] = True
    values = {}
    for name, given in columns.items():
        values[name] = np.zeros(len(table), dtype=np.array(given).dtype)
        values[name][places[there]] = np.array(given)[there]
    return values, known


def left_out_note(groups: Sequence[SampleGroup]) -> str | None:
    """Return a sentence on the samples that have no score, None where all have one."""
    left = sum(group["left_out"] for group in groups)
    total = left + sum(group["size"] for group in groups)
    if not left:
        return None
    said = "released value" if groups[0]["by"] == "votes" else groups[0]["by"]
    return f"{left:,} of {total:,} samples have no {said} and are left out."


def _ends(table: SampleTable, plm: str, label: str, held: Rows, scores: Scores, count: int) -> Ends:
    known = held[scores.known[held]]
    most = (len(known) + 1) // 2 if scores.worst else len(known)
    best = _end(table, known, scores.best, min(count, most))
    worst = _end(table, known[~np.isin(known, best)], scores.worst, count)
    return Ends(plm, label, len(known), len(held) - len(known), best, worst)


def _end(table: SampleTable, known: Rows, keys: tuple[Values, ...] | None, count: int) -> tuple[int, ...]:
    if keys is None or not len(known) or not count:
        return ()
    first = keys[0][known]
    # Only what can be among the first is sorted, with its ids.
    near = known[first <= np.partition(first, min(count, len(known)) - 1)[min(count, len(known)) - 1]]
    ids = table.ids.take(pa.array(near)).to_pylist()
    order = sorted(range(len(near)), key=lambda at: (*(key[near[at]] for key in keys), ids[at]))
    return tuple(near[order[:count]].tolist())
