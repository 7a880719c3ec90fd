"""A finished run's samples, ranked by what its folder says of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from synthgen.errors import UserError
from synthgen.report.judges import By
from synthgen.report.ranking import (
    SCORES,
    SampleGroup,
    Scores,
    by_dynamics,
    ends,
    left_out_note,
    scattered,
    with_texts,
)
from synthgen.runs.read import Run
from synthgen.runs.sample_table import SampleTable
from synthgen.text import nearest


def ranked_run(
    run: Run, *, by: By = "auto", count: int = 3, plms: Sequence[str] = (), labels: Sequence[str] = ()
) -> tuple[list[SampleGroup], list[str]]:
    """Return the best and worst samples of the named PLMs and labels, of all where none is named, and notes on them.

    ``auto`` is votes where private samples said something of single samples, else dynamics. Raises ``UserError`` where
    the run is not finished, has no such scores, or nothing of a PLM or label.
    """
    if not run.metrics:
        raise UserError(
            f"{run.path} is not finished; continue it with synthgen run {run.path}/recipe.yaml --out {run.path} "
            "--resume."
        )
    samples = run.table()
    for kind, wanted, held in (("PLM", plms, samples.names["plm"]), ("label", labels, samples.names["label"])):
        _check(run, kind, wanted, held)
    scores = _scores(run, by, samples)
    found = [
        group
        for group in ends(samples, scores, count)
        if (not plms or group.plm in plms) and (not labels or group.label in labels)
    ]
    groups = with_texts(samples, scores, found)
    left_out = left_out_note(groups)
    return groups, [*scores.notes, *([left_out] if left_out else [])]


def _check(run: Run, kind: str, wanted: Sequence[str], held: Sequence[str]) -> None:
    for name in wanted:
        if name not in held:
            near = nearest(name, held)
            known = f"; it has {', '.join(held[:10])}{', …' if len(held) > 10 else ''}." if near == "." else near
            raise UserError(f"{run.path} has no samples of {kind} {name!r}{known}")


def _scores(run: Run, by: By, samples: SampleTable) -> Scores:
    if by == "influence":
        return _by_influence(run, samples)
    if by == "weight":
        return _by_weight(run, samples)
    if by == "votes":
        return _by_votes(run, samples, _releases(run))
    notes: tuple[str, ...] = ()
    if by == "auto" and (releases := _releases(run)):
        try:
            return _by_votes(run, samples, releases)
        except UserError as error:
            notes = (f"Not by votes: {error}",)
    scores = by_dynamics(samples, run.dynamics(SCORES))
    return replace(scores, notes=(*notes, *scores.notes))


def _releases(run: Run) -> list[Any]:
    if not run.recipe.private:
        return []
    from synthgen.report.released import releases_of

    return releases_of(run)


def _by_votes(run: Run, samples: SampleTable, releases: list[Any]) -> Scores:
    method = run.recipe.method
    if not run.recipe.private:
        raise UserError(f"{run.path} is a run of {method}, in which no private samples vote; take --by dynamics.")
    if not releases:
        raise UserError(
            f"In {run.path}, a run of {method}, the private samples chose without giving each sample a value; "
            "take --by dynamics."
        )
    from synthgen.report.released import by_votes

    return by_votes(run, samples, _label_names(run), releases)


def _label_names(run: Run) -> list[str]:
    """Return the task's labels in the order of their ids, from the run folder alone: the task may have gone."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(run.path / "dataset" / "train.parquet").metadata
    return list(json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"])


def _by_influence(run: Run, samples: SampleTable) -> Scores:
    found: dict[str, tuple[float, int]] = {}
    for after, chosen in enumerate(run.demonstrations()):
        for row in chosen:
            if (influence := row["scores"].get("influence")) is not None:
                found[row["id"]] = influence, after
    if not found:
        raise UserError(f"{run.path} chose nothing by influence; take --by dynamics.")
    values, known = scattered(
        samples, list(found), influence=[one for one, _ in found.values()], after=[after for _, after in found.values()]
    )
    said = "By influence on the small model's loss, when last chosen: below 0 a sample helps."
    if run.recipe.options.get("select") == "harmful":
        note = f"{said} Only samples chosen to be shown have one, here the most harmful: there is no best side."
        return Scores("influence", values, known, None, (-values["influence"],), (note,))
    note = f"{said} Only samples chosen to be shown have one: there is no worst side."
    return Scores("influence", values, known, (values["influence"],), None, (note,))


def _by_weight(run: Run, samples: SampleTable) -> Scores:
    weight = samples.weight
    if len(np.unique(weight)) < 2:
        raise UserError(f"All samples of {run.path} weigh the same; take --by dynamics.")
    note = "By weight: that in the dataset, 1 on average; 0 is not in it."
    return Scores("weight", {"weight": weight}, np.ones(len(weight), dtype=bool), (-weight,), (weight,), (note,))
