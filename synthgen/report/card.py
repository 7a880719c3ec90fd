"""The dataset card that goes to the Hugging Face Hub beside train.parquet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.errors import UserError
from synthgen.report.card_parts import (
    PLACEHOLDERS,
    accuracy,
    cited,
    columns,
    decontamination,
    limitations,
    loading,
    made,
    plm_table,
    quality,
    repeating,
    terms,
)
from synthgen.report.counts import Counts, read_counts
from synthgen.report.facts import RunFacts, read_facts
from synthgen.report.front_matter import front_matter, front_matter_text
from synthgen.report.promise import promise_lines, protects
from synthgen.report.wording import count, markdown, markdown_table

if TYPE_CHECKING:
    from synthgen.runs.read import Run

PICTURE = "plots/cartography.png"
"""Where a dataset's folder, and so its repository on the Hub, has the dataset map."""


def card_of_run(run: "Run", *, chosen_license: str | None = None) -> str:
    """Return the card of a finished run from its folder; ``chosen_license`` stands in for the recipe's.

    Raises ``UserError`` where the run's task cannot be found any more, or its ledger is damaged.
    """
    recipe = {**run.recipe.model_dump(mode="json"), "task": run.task.model_dump(mode="json")}
    return dataset_card(
        {**recipe, "license": chosen_license or recipe.get("license")},
        run.manifest,
        run.metrics,
        folder=run.path / "dataset",
        ledger=_ledger(run.path / "ledger.json"),
    )


def dataset_card(
    recipe: Mapping[str, Any],
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    folder: Path | None = None,
    ledger: Mapping[str, Any] | None = None,
) -> str:
    """Return the card: YAML front matter and Markdown.

    ``folder`` holds ``train.parquet``, which the card then describes, and perhaps the picture at ``PICTURE``, which it
    shows. ``ledger`` is what ``ledger.json`` of a private run holds. The dataset's licence is ``recipe["license"]``,
    and none where that is missing: it is the publisher's to choose. A user's strings are escaped, and machine paths
    left out (see ``synthgen.report.facts``).
    """
    facts = read_facts(recipe, manifest, metrics)
    parquet = folder / "train.parquet" if folder and (folder / "train.parquet").is_file() else None
    counts = read_counts(parquet, metrics)
    privacy = manifest.get("privacy") or {}
    filtered = bool((metrics.get("decontamination") or {}).get("private"))
    front = front_matter(
        facts,
        labels=counts.labels,
        size=counts.size,
        parquet=parquet,
        kept_license=recipe.get("license"),
        protected=protects(privacy) and not filtered,
    )
    parts = [
        front_matter_text(front),
        f"# {markdown(facts.task)}: synthetic text classification data",
        PLACEHOLDERS if facts.scripted else "",
        _what(facts, counts),
        "## How it was made",
        made(facts, metrics, manifest),
        plm_table(facts, metrics),
        "### What the PLMs' licences say of generated text",
        terms(facts),
        *(["## Privacy", *promise_lines(privacy, ledger, filtered=filtered)] if privacy else []),
        "## What is in it",
        columns(counts),
        *_counts(counts, metrics),
        *_picture(folder),
        "### Decontamination",
        decontamination(metrics),
        "## Accuracy",
        *accuracy(facts, metrics),
        *quality(metrics),
        "## How to load it",
        loading(counts),
        "## How to repeat it",
        repeating(facts, recipe, private=bool(privacy), protected=protects(privacy)),
        "## Intended use and limitations",
        limitations(facts, recipe.get("license")),
        "## Citation",
        cited(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _ledger(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{path} is damaged; what was spent is not known, so no card can say it.") from None


def _what(facts: RunFacts, counts: Counts) -> str:
    labels = ", ".join(markdown(label) for label in counts.labels)
    about = f" The task: {markdown(facts.about)}." if facts.about else ""
    kind = "pairs of texts" if "text_pair" in counts.columns else "texts"
    author = "a fake in place of language models" if facts.scripted else "a language model"
    return (
        f"{count(counts.size)} labelled {kind} for the task **{markdown(facts.task)}**"
        f"{f' (labels: {labels})' if labels else ''}.{about} The texts were written by {author}, to the labels they "
        "carry; none was written, labelled or checked by a person."
    )


def _counts(counts: Counts, metrics: Mapping[str, Any]) -> list[str]:
    tables = [
        markdown_table(table.head, [(line[0], *(count(number) for number in line[1:])) for line in table.lines])
        for table in counts.tables
    ]
    rejected = sorted((metrics.get("rejected_by_reason") or {}).items(), key=lambda item: (-item[1], item[0]))
    return [
        *tables,
        "Texts that were rejected as they came, by reason:" if rejected else "",
        markdown_table(("reason", "texts"), [(reason, count(value)) for reason, value in rejected]),
    ]


def _picture(folder: Path | None) -> list[str]:
    if folder is None or not (folder / PICTURE).is_file():
        return []
    return [
        f"![Dataset map: how sure a small model is of each sample while it learns, and how steadily]({PICTURE})",
        "Each point is a sample. Left and high: the small model is soon sure of its label. Right: it wavers. Left and "
        "low: it never believes the label, which is then often wrong.",
    ]
