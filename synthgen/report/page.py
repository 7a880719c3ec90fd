"""The page of a run: one HTML file that needs nothing else. Its templates, style and scripts are in ``pages/``."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from synthgen.report.cleaned import cleaned_recipe
from synthgen.report.drawn import drawn
from synthgen.report.embed import json_block, picture, policy, scripts, template
from synthgen.report.evidence import Evidence
from synthgen.report.facts import RunFacts, read_facts
from synthgen.report.feedback import rounds_of_feedback
from synthgen.report.points import chosen_by_sample, packed_points, packed_texts
from synthgen.report.promise import protects
from synthgen.report.ranking import Samples, by_dynamics, ends, with_texts
from synthgen.report.spending import budget, plm_weights, votes_by_plm
from synthgen.report.wording import ABSENT, clean, count, duration, percent
from synthgen.runs.sample_table import SampleTable

_SCRIPTS = ("data.js", "charts.js", "samples.js", "pointing.js", "map.js", "list.js", "run.js")
_MANY_GROUPS = 40
_WIDE = 12


def report_html(
    recipe: Mapping[str, Any],
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    samples: Samples,
    dynamics: Any,
    pictures: Mapping[str, Path],
    demonstrations: Sequence[Sequence[Mapping[str, Any]]],
    evidence: Evidence | None = None,
) -> str:
    """Return the page. ``dynamics`` is the last round's pyarrow table or None, ``demonstrations`` one list a round.

    Of more than ``drawn.MOST`` samples the map and the list hold a share, see there; all figures are of all.
    ``pictures`` maps captions to image files, which are embedded: "cartography" and "accuracy" stand in for what is
    interactive, in print and where scripts do not run. A demonstration is a sample's row, with ``scores`` (by name)
    where it was chosen by some. Whatever a PLM or a user wrote stays text, and the page fetches nothing.
    Raises ``OSError`` where a picture cannot be read.
    """
    evidence = evidence or Evidence()
    table = SampleTable.of(samples)
    scores = None if dynamics is None else by_dynamics(table, dynamics)
    found = [group for group in ends(table, scores, 3) if group.size] if scores else []
    if many := len(found) > _MANY_GROUPS:
        found = sorted(
            (replace(group, best=group.best[:1], worst=group.worst[:1]) for group in found), key=lambda group: group.plm
        )
    chosen = table.places_of(one["id"] for shown in demonstrations for one in shown)
    must = [place for group in found for place in (*group.best, *group.worst)]
    held = table.taken(drawn(table, [*must, *chosen[chosen >= 0].tolist()]))
    facts = read_facts(recipe, manifest, metrics)
    inline = scripts(*_SCRIPTS)
    by_round = list(enumerate(metrics.get("accuracy_by_round") or ()))
    weights = plm_weights(evidence.votes)
    return template("run.html").render(
        policy=policy(inline),
        scripts=inline,
        facts=facts,
        title=f"{facts.task} · {facts.method}",
        status=_status(facts, manifest),
        accuracy=metrics.get("accuracy"),
        headline=_headline(metrics, facts),
        pictures={caption: picture(path) for caption, path in pictures.items()},
        by_round=by_round,
        by_plm=_descending(metrics.get("accuracy_by_plm")),
        counts=_counts(table),
        rejected=_descending(metrics.get("rejected_by_reason")),
        examples=evidence.examples,
        feedback=rounds_of_feedback(table, demonstrations, evidence, [value for _, value in by_round]),
        weights=_by_name(weights),
        votes=_by_name(votes_by_plm(evidence.votes, _plms(manifest, table), table)),
        budget=budget(evidence.ledger),
        promise=_promise(manifest),
        decontamination=(metrics.get("decontamination") or {}).get("gold"),
        final=metrics.get("accuracy"),
        many=many,
        groups=with_texts(table, scores, found) if scores else [],
        recipe=yaml.safe_dump(cleaned_recipe(recipe), sort_keys=False, allow_unicode=True),
        charts=json_block(_charts(by_round, weights)),
        points=json_block(
            {**packed_points(held, dynamics), "all": len(table), "chosen": chosen_by_sample(held, demonstrations)}
        ),
        texts=json_block(packed_texts(held)),
        samples=len(table),
        held=len(held),
    )


def _status(facts: RunFacts, manifest: Mapping[str, Any]) -> str:
    known = [
        ("", manifest.get("status")),
        ("started ", _time(manifest.get("started"))),
        ("profile ", facts.profile),
        ("", manifest.get("device")),
        ("seed ", facts.seed),
        ("synthgen ", facts.version),
    ]
    return " · ".join(f"{name}{clean(value)}" for name, value in known if value not in (None, ""))


def _time(stamp: object) -> str:
    """Return a time stamp as one reads it."""
    return re.sub(r"^(\S+)T(\d\d:\d\d)(?::\d\d)?\+00:00$", r"\1 \2 UTC", str(stamp or ""))


def _promise(manifest: Mapping[str, Any]) -> str | None:
    """Return whether private samples were protected (``kept``) or not (``none``), None where there were none."""
    privacy = manifest.get("privacy")
    return None if not privacy else "kept" if protects(privacy) else "none"


def _headline(metrics: Mapping[str, Any], facts: RunFacts) -> list[tuple[str, str]]:
    tokens, by_plm = metrics.get("tokens") or {}, metrics.get("accuracy_by_plm") or {}
    known = [value for value in by_plm.values() if value is not None]
    accuracy = metrics.get("accuracy")
    figures = [
        ("accuracy on gold", "not measured" if accuracy is None else f"{percent(accuracy)} %"),
        ("best PLM alone", f"{percent(max(known))} %" if known else ABSENT),
        ("samples", count(metrics.get("samples"))),
        ("PLMs", count(len(metrics.get("samples_by_plm") or ()))),
        ("rounds of feedback" if facts.feedback else "further rounds", count(facts.rounds)),
        ("tokens written", count(tokens.get("completion"))),
        ("time", duration((metrics.get("seconds") or {}).get("total"))),
    ]
    return [(name, figure) for name, figure in figures if figure != ABSENT]


def _descending(values: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return sorted((values or {}).items(), key=lambda item: (-(item[1] or 0), item[0]))


def _counts(table: SampleTable) -> list[dict[str, Any]]:
    """Return one table for labels and one for rounds: a line a PLM, or turned where it would be too wide."""
    plms, tables = [table.names["plm"][code] for code in table.present("plm")], []
    labels = [table.names["label"][code] for code in table.present("label")]
    rounds: list[Any] = np.unique(table.round).tolist()
    for key, heads, codes, names in (
        ("label", labels, table.codes["label"], table.names["label"]),
        ("round", rounds, np.searchsorted(rounds, table.round), rounds),
    ):
        pairs, numbers = np.unique(table.codes["plm"] * max(len(names), 1) + codes, return_counts=True)
        both = ((table.names["plm"][pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist())
        tally = Counter(dict(zip(both, numbers.tolist(), strict=True)))
        lines = [(plm, [tally[plm, head] for head in heads]) for plm in plms]
        first = "PLM"
        if len(heads) > max(_WIDE, len(plms)):
            lines = [(head, [tally[plm, head] for plm in plms]) for head in heads]
            heads, first = plms, key
        tables.append({"by": key, "first": first, "heads": heads, "lines": lines})
    return tables


def _plms(manifest: Mapping[str, Any], table: SampleTable) -> list[str]:
    named = [plm["name"] for plm in manifest.get("plms") or ()]
    return named or [table.names["plm"][code] for code in table.present("plm")]


def _by_name(by_round: Mapping[int, Mapping[str, float]]) -> dict[str, Any] | None:
    """Return a table with a line a PLM and a column a round; ``most`` is the greatest value of all."""
    if not by_round:
        return None
    names = list(dict.fromkeys(name for values in by_round.values() for name in values))
    lines = [(name, [by_round[number].get(name) for number in by_round]) for name in names]
    most = max(value for values in by_round.values() for value in values.values())
    return {"rounds": list(by_round), "lines": lines, "most": max(most, 1e-9)}


def _charts(
    by_round: Sequence[tuple[int, float | None]], weights: Mapping[int, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    """Return what the page's script draws: each chart's values by series, along whole rounds."""
    charts: dict[str, dict[str, Any]] = {}
    if any(value is not None for _, value in by_round):
        values = [[number, 100 * value] for number, value in by_round if value is not None]
        series = [{"name": "accuracy", "values": values}]
        charts["accuracy"] = {"x": "after round", "y": "accuracy on gold (%)", "digits": 2, "series": series}
    if len(weights) > 1:
        names = dict.fromkeys(name for held in weights.values() for name in held)
        shares = {name: [[number, 100 * held.get(name, 0.0)] for number, held in weights.items()] for name in names}
        series = [{"name": clean(name), "values": values} for name, values in shares.items()]
        asked = "share of what is asked for (%)"
        charts["weights"] = {"x": "set after round", "y": asked, "digits": 1, "fromZero": True, "series": series}
    return charts
