"""What every round was shown beside what it led to: data for a page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.report.evidence import Evidence
from synthgen.report.points import worded_scores
from synthgen.report.ranking import Samples
from synthgen.runs.sample_table import SampleTable

OPEN = 4
_EXAMPLES = 4


def rounds_of_feedback(
    samples: Samples,
    demonstrations: Sequence[Sequence[Mapping[str, Any]]],
    evidence: Evidence,
    accuracy: Sequence[float | None],
) -> list[dict[str, Any]]:
    """Return one entry for each round after which something was chosen, in order.

    ``shown`` are the demonstrations with ``scores`` in words, ``OPEN`` of them apart
    from the ``rest``, of as many labels and roles as there are. ``led`` is
    None after the last round, else what the next round made: ``samples`` (how many), ``rejected`` by reason,
    ``accuracy`` after it and before (shares or None), and as ``examples`` a sample of each of some PLMs.
    """
    table, told = SampleTable.of(samples), []
    for number, chosen in enumerate(demonstrations):
        if not chosen:
            continue
        shown = _varied([{**one, "said": worded_scores(one.get("scores") or {})} for one in chosen])
        told.append(
            {
                "after": number,
                "count": len(shown),
                "shown": shown[:OPEN],
                "rest": shown[OPEN:],
                "led": _led(number + 1, table, evidence, accuracy),
            }
        )
    return told


def _varied(shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ``shown`` with the first of each label and role in front."""
    first: dict[Any, dict[str, Any]] = {}
    for one in shown:
        first.setdefault((one["label"], (one.get("scores") or {}).get("role")), one)
    front = list(first.values())
    return front + [one for one in shown if one not in front]


def _led(
    number: int, table: SampleTable, evidence: Evidence, accuracy: Sequence[float | None]
) -> dict[str, Any] | None:
    made = table.taken(np.flatnonzero(table.round == number))
    rejected = evidence.rejected.get(number, {})
    if not len(made) and not rejected:
        return None
    after = accuracy[number] if number < len(accuracy) else None
    before = accuracy[number - 1] if number - 1 < len(accuracy) else None
    return {
        "round": number,
        "samples": len(made),
        "rejected": sorted(rejected.items(), key=lambda item: (-item[1], item[0])),
        "accuracy": after,
        "change": None if after is None or before is None else 100 * (after - before),
        "examples": made.rows(_examples(made)),
    }


def _examples(made: SampleTable) -> list[int]:
    """Return the place of a sample of each of some PLMs, of one label after the other where the PLM wrote for it."""
    labels, plms = made.present("label"), made.present("plm")[:_EXAMPLES]
    found = []
    for place, plm in enumerate(plms):
        own = np.flatnonzero(made.codes["plm"] == plm)
        fit = own[made.codes["label"][own] == labels[place % len(labels)]]
        found.append(int((fit if len(fit) else own)[0]))
    return found
