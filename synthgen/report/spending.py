"""What private samples said, as released, and what of the budget each round spent: data for a page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.report.ranking import Samples
from synthgen.report.wording import clean
from synthgen.runs.sample_table import SampleTable

if TYPE_CHECKING:
    from synthgen.privacy.ledger import Release


def votes_by_plm(
    votes: Mapping[int, Mapping[str, Any]], plms: Sequence[str], samples: Samples
) -> dict[int, dict[str, float]]:
    """Return, by round and PLM, the noised votes for its samples; rounds whose releases tell of no PLM are left out.

    WASP releases one number a PLM, in the order of ``plms``. Votes on single samples are summed over the samples of a
    PLM, those as the furthest subtracted; what is not in ``samples`` does not count.
    """
    table = SampleTable.of(samples)
    wrote = np.append(table.codes["plm"], -1)
    found: dict[int, dict[str, float]] = {}
    for number, held in votes.items():
        releases = held.get("releases") or {}
        if (owners := releases.get("owners")) and len(owners["values"]) == len(plms):
            found[number] = dict(zip(plms, owners["values"], strict=True))
        elif one := releases.get("votes"):
            ids, values = one["samples"], one["values"]
            far = values[len(ids) :] or [0.0] * len(ids)
            totals: dict[str, float] = {}
            for code, near, less in zip(wrote[table.places_of(ids)].tolist(), values, far, strict=False):
                if code >= 0:
                    plm = table.names["plm"][code]
                    totals[plm] = totals.get(plm, 0.0) + near - less
            found[number] = totals
    return {number: totals for number, totals in found.items() if totals}


def plm_weights(votes: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Return the PLM weights by the round after which they were set, where there are any."""
    return {number: dict(held["plm_weights"]) for number, held in votes.items() if held.get("plm_weights")}


def budget(ledger: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the budget in words and steps, None without a ledger or without a promise to measure it by.

    A step is a round with releases: ``epsilon`` is what all releases up to its end spend together at the promised
    delta, ``more`` what that adds to the step before, both also as shares of the promise.
    """
    if not ledger or not isinstance(promised := ledger["promised"]["epsilon"], int | float):
        return None
    from synthgen.privacy.ledger import Release, spent_epsilon

    delta = ledger["promised"]["delta"]
    releases = [Release(**{**row, "cost": float(row["cost"])}) for row in ledger["releases"]]
    rounds = list(dict.fromkeys(_round(one) for one in releases))
    steps, before = [], 0.0
    for number in rounds:
        known = [one for one in releases if _round(one) in rounds[: rounds.index(number) + 1]]
        epsilon = spent_epsilon(known, delta)
        made = [one for one in releases if _round(one) == number]
        steps.append(
            {
                "round": number,
                "what": _named(made),
                "epsilon": epsilon,
                "more": epsilon - before,
                "share": (epsilon - before) / promised,
            }
        )
        before = epsilon
    return {
        "epsilon": promised,
        "delta": delta,
        "spent": before,
        "steps": steps,
        "terms": [(clean(name), clean(said)) for name, said in ledger["promised"].items() if isinstance(said, str)],
    }


def _round(release: "Release") -> int:
    return int(release.name.split(" ", 1)[0])


def _named(releases: Sequence["Release"]) -> str:
    """Return the names of a round's releases; many of one kind are counted."""
    kinds: dict[str, int] = {}
    for one in releases:
        kind = clean(one.name.partition(" ")[2])
        kinds[kind.split(" ")[0]] = kinds.get(kind.split(" ")[0], 0) + 1
    return ", ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in kinds.items())
