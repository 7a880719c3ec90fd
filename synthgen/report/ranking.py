"""The best and the worst samples of each PLM and label, by how the small models learned them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict


class _Learned(TypedDict):
    confidence: float
    variability: float
    correctness: float


class RankedSample(_Learned):
    """A sample's row with the confidence and variability it was ranked by: cross-model where there are several STMs."""

    sample: dict[str, Any]


class SampleGroup(TypedDict):
    """``best`` from the best down, ``worst`` from the worst up; ``size`` counts the group's samples with dynamics."""

    plm: str
    label: str
    size: int
    best: list[RankedSample]
    worst: list[RankedSample]


def best_and_worst(samples: Iterable[Mapping[str, Any]], dynamics: Any, count: int) -> list[SampleGroup]:
    """Return up to ``count`` best and worst samples per PLM and label, in order of first appearance.

    Best is the highest confidence minus variability (learned by all), worst the lowest confidence (learned by none, the
    mark of a wrong label). No sample is in both lists; in a small group the best take the larger half. Samples without
    dynamics are left out. ``dynamics`` is a pyarrow table, see ``synthgen.report.cartography``.
    """
    known = _known(dynamics)
    groups: dict[tuple[str, str], list[RankedSample]] = {}
    for sample in samples:
        if (found := known.get(sample["id"])) is not None:
            groups.setdefault((sample["plm"], sample["label"]), []).append({"sample": dict(sample), **found})
    return [_group(plm, label, ranked, count) for (plm, label), ranked in groups.items()]


def _known(dynamics: Any) -> dict[str, _Learned]:
    names = ["id", "confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability"]
    known: dict[str, _Learned] = {}
    for row in dynamics.select(names).to_pylist():
        own, cross = (row["confidence"], row["variability"]), (row[names[4]], row[names[5]])
        confidence, variability = own if None in cross else cross
        if None not in (confidence, variability, row["correctness"]):
            known[row["id"]] = _Learned(confidence=confidence, variability=variability, correctness=row["correctness"])
    return known


def _group(plm: str, label: str, ranked: list[RankedSample], count: int) -> SampleGroup:
    # The id settles ties, so that the order of the rows does not.
    best = sorted(ranked, key=lambda one: (one["variability"] - one["confidence"], one["sample"]["id"]))
    best = best[: min(count, (len(ranked) + 1) // 2)]
    taken = {one["sample"]["id"] for one in best}
    rest = [one for one in ranked if one["sample"]["id"] not in taken]
    worst = sorted(rest, key=lambda one: (one["confidence"], one["variability"], one["sample"]["id"]))[:count]
    return {"plm": plm, "label": label, "size": len(ranked), "best": best, "worst": worst}
