"""The page of a run: one HTML file that needs nothing else, made from the template beside this module."""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, Template

from synthgen.recipe import without_addresses
from synthgen.report.facts import RunFacts, read_facts
from synthgen.report.ranking import best_and_worst
from synthgen.report.wording import ABSENT, clean, count, duration, percent

_KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_MANY_GROUPS = 40


def report_html(
    recipe: Mapping[str, Any],
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    dynamics: Any,
    pictures: Mapping[str, Path],
    demonstrations: Sequence[Sequence[Mapping[str, Any]]],
) -> str:
    """Return the page. ``dynamics`` is the last round's pyarrow table or None, ``demonstrations`` one list a round.

    ``pictures`` maps captions to image files, which are embedded. A demonstration is a sample's row, with ``scores``
    (by name) where it was chosen by some. Whatever a PLM or a user wrote stays text, and the page fetches nothing.
    Raises ``OSError`` where a picture cannot be read.
    """
    groups = [] if dynamics is None else best_and_worst(samples, dynamics, 3)
    if len(groups) > _MANY_GROUPS:
        groups = best_and_worst(samples, dynamics, 1)
    facts = read_facts(recipe, manifest, metrics)
    return _template().render(
        facts=facts,
        title=f"{facts.task} · {facts.method}",
        status=_status(facts, manifest),
        accuracy=metrics.get("accuracy"),
        headline=_headline(metrics, facts.rounds),
        pictures=[(caption, _embedded(path)) for caption, path in pictures.items()],
        by_round=list(enumerate(metrics.get("accuracy_by_round") or ())),
        by_plm=_descending(metrics.get("accuracy_by_plm")),
        counts=_counts(samples),
        rejected=_descending(metrics.get("rejected_by_reason")),
        demonstrations=[(number, shown) for number, shown in enumerate(demonstrations) if shown],
        groups=groups,
        recipe=yaml.safe_dump(_shown(recipe), sort_keys=False, allow_unicode=True),
    )


@cache
def _template() -> Template:
    # Strict: a name the template misspells is an error, not a blank.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(clean=clean, count=count, duration=duration, percent=percent)
    environment.globals["absent"] = ABSENT
    return environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def _shown(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe without addresses: the page is for others to read, whose network is another."""
    kept = {name: value for name, value in recipe.items() if name != "endpoint"}
    return {**kept, "plms": list(without_addresses(recipe.get("plms") or ()))}


def _status(facts: RunFacts, manifest: Mapping[str, Any]) -> str:
    known = [
        ("", manifest.get("status")),
        ("started ", manifest.get("started")),
        ("finished ", manifest.get("finished")),
        ("profile ", facts.profile),
        ("", manifest.get("device")),
        ("seed ", facts.seed),
        ("synthgen ", facts.version),
    ]
    return " · ".join(f"{name}{clean(value)}" for name, value in known if value not in (None, ""))


def _headline(metrics: Mapping[str, Any], rounds: int | None) -> list[tuple[str, str]]:
    tokens, by_plm = metrics.get("tokens") or {}, metrics.get("accuracy_by_plm") or {}
    known = [value for value in by_plm.values() if value is not None]
    accuracy = metrics.get("accuracy")
    figures = [
        ("accuracy on gold", "not measured" if accuracy is None else f"{percent(accuracy)} %"),
        ("best PLM alone", f"{percent(max(known))} %" if known else ABSENT),
        ("samples", count(metrics.get("samples"))),
        ("PLMs", count(len(metrics.get("samples_by_plm") or ()))),
        ("rounds of feedback", count(rounds)),
        ("tokens written", count(tokens.get("completion"))),
        ("time", duration((metrics.get("seconds") or {}).get("total"))),
    ]
    return [(name, figure) for name, figure in figures if figure != ABSENT]


def _descending(values: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return sorted((values or {}).items(), key=lambda item: (-(item[1] or 0), item[0]))


def _counts(samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one table for labels and one for rounds: its heads, and a line for each PLM."""
    plms = list(dict.fromkeys(sample["plm"] for sample in samples))
    tables = []
    for key, heads in (
        ("label", list(dict.fromkeys(sample["label"] for sample in samples))),
        ("round", sorted({sample["round"] for sample in samples})),
    ):
        tally = Counter((sample["plm"], sample[key]) for sample in samples)
        lines = [(plm, [tally[plm, head] for head in heads]) for plm in plms]
        tables.append({"by": key, "heads": heads, "lines": lines})
    return tables


def _embedded(path: Path) -> str:
    kind = _KINDS.get(path.suffix.lower(), "application/octet-stream")
    return f"data:{kind};base64,{b64encode(path.read_bytes()).decode('ascii')}"
