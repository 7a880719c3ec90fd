"""The best and the worst samples of each PLM and label, by whatever scored them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

Named = Mapping[str, float]
"""A sample's scores by name; for influence and votes ``after`` is the round after which they were given."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What samples are ranked by: ``known[id]`` are a sample's scores, samples that are not in it have none.

    ``best`` and ``worst`` are the sort keys of the two ends, each the lowest first; an end that is None does not
    exist. ``notes`` are sentences for whoever reads the ranking.
    """

    by: str
    known: Mapping[str, Named]
    best: Callable[[Named], Any] | None
    worst: Callable[[Named], Any] | None
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


def ranked(samples: Iterable[Mapping[str, Any]], scores: Scores, count: int) -> list[SampleGroup]:
    """Return up to ``count`` best and worst samples per PLM and label, in order of first appearance.

    No sample is at both ends; in a small group the best take the larger half. Ties are settled by the id, so that the
    order of the samples decides nothing within a group.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for sample in samples:
        groups.setdefault((sample["plm"], sample["label"]), []).append(sample)
    return [_group(plm, label, held, scores, count) for (plm, label), held in groups.items()]


def best_and_worst(samples: Iterable[Mapping[str, Any]], dynamics: Any, count: int) -> list[SampleGroup]:
    """Return the groups of ``ranked`` by ``by_dynamics``, but for those in which no sample has dynamics."""
    return [group for group in ranked(samples, by_dynamics(dynamics), count) if group["size"]]


def by_dynamics(dynamics: Any) -> Scores:
    """Return the scores of a run's pyarrow table of dynamics: confidence, variability, correctness.

    The first two are cross-model where there are several STMs, else of the own STM's training. Best is the highest
    confidence minus variability (learned by all), worst the lowest confidence (learned by none, the mark of a wrong
    label).
    """
    names = ["id", "confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability"]
    known, crossed = {}, False
    for row in dynamics.select(names).to_pylist():
        own, cross = (row["confidence"], row["variability"]), (row[names[4]], row[names[5]])
        confidence, variability = own if None in cross else cross
        if None not in (confidence, variability, row["correctness"]):
            crossed = crossed or None not in cross
            known[row["id"]] = {
                "confidence": confidence, "variability": variability, "correctness": row["correctness"],
            }  # fmt: skip
    over = "between the small models of all PLMs" if crossed else "between the epochs of the PLM's small model"
    return Scores(
        "dynamics",
        known,
        lambda one: one["variability"] - one["confidence"],
        lambda one: (one["confidence"], one["variability"]),
        (f"By dynamics: the label's probability, mean ± spread {over}. Low ones may be labelled wrongly.",),
    )


def left_out_note(groups: Sequence[SampleGroup]) -> str | None:
    """Return a sentence on the samples that have no score, None where all have one."""
    left = sum(group["left_out"] for group in groups)
    total = left + sum(group["size"] for group in groups)
    if not left:
        return None
    said = "released value" if groups[0]["by"] == "votes" else groups[0]["by"]
    return f"{left:,} of {total:,} samples have no {said} and are left out."


def _group(plm: str, label: str, held: Sequence[Mapping[str, Any]], scores: Scores, count: int) -> SampleGroup:
    known: list[dict[str, Any]] = [
        {"sample": dict(sample), **scores.known[sample["id"]]} for sample in held if sample["id"] in scores.known
    ]
    most = (len(known) + 1) // 2 if scores.worst else len(known)
    best = _end(known, scores.best, min(count, most))
    taken = {one["sample"]["id"] for one in best}
    worst = _end([one for one in known if one["sample"]["id"] not in taken], scores.worst, count)
    return {
        "plm": plm,
        "label": label,
        "by": scores.by,
        "size": len(known),
        "left_out": len(held) - len(known),
        "best": best,
        "worst": worst,
    }


def _end(known: list[dict[str, Any]], key: Callable[[Named], Any] | None, count: int) -> list[dict[str, Any]]:
    return sorted(known, key=lambda one: (key(one), one["sample"]["id"]))[:count] if key else []
