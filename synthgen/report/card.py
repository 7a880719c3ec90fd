"""The dataset card that goes to the Hugging Face Hub beside train.parquet."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synthgen.report.facts import RunFacts, read_facts
from synthgen.report.promise import promise_lines
from synthgen.report.wording import ABSENT, clean, count, percent

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:])")
_CITATION = """\
@inproceedings{zou-etal-2024-fusegen,
  title     = {{FuseGen}: {PLM} Fusion for Data-generation based Zero-shot Learning},
  author    = {Zou, Tianyuan and others},
  booktitle = {Proceedings of the 2024 Conference on Empirical Methods in Natural Language Processing},
  year      = {2024}
}"""


def dataset_card(recipe: Mapping[str, Any], manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return the card: YAML front matter and Markdown.

    Names a licence for each PLM that has one and none for the dataset: that is the publisher's to decide. A user's
    strings are escaped, and machine paths left out (see ``synthgen.report.facts``).
    """
    facts = read_facts(recipe, manifest, metrics)
    front = yaml.safe_dump(_front_matter(facts, metrics), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---",
        f"# {_md(facts.task)}: synthetic text classification data",
        _what(facts, metrics),
        "## How it was made",
        _how(facts, metrics),
        _table(
            ("PLM", "model", "size", "licence", "revision"),
            [(plm.name, plm.model, plm.size, plm.licence, plm.revision) for plm in facts.plms],
        ),
        *(["## Privacy", *promise_lines(manifest["privacy"])] if manifest.get("privacy") else []),
        "## What is in it",
        *_counts(metrics),
        "## Accuracy",
        *_accuracy(facts, metrics),
        _fixed(facts, private=bool(manifest.get("privacy"))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: RunFacts, metrics: Mapping[str, Any]) -> dict[str, Any]:
    size = metrics.get("samples") or 0
    category = next((name for limit, name in _SIZES if size < limit), "1M<n<10M")
    return {
        "pretty_name": f"{facts.task} (synthetic, {facts.method})",
        "task_categories": ["text-classification"],
        **({"language": [facts.language]} if facts.language else {}),
        "tags": ["synthetic", "synthgen", facts.method],
        "size_categories": [category],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
    }


def _what(facts: RunFacts, metrics: Mapping[str, Any]) -> str:
    labels = ", ".join(_md(label) for label in metrics.get("samples_by_label") or ())
    about = f" The task: {_md(facts.about)}." if facts.about else ""
    return (
        f"{count(metrics.get('samples'))} labelled texts for the task **{_md(facts.task)}**"
        f"{f' (labels: {labels})' if labels else ''}.{about} Every text was written by a language model; "
        "none was written or checked by a person."
    )


def _how(facts: RunFacts, metrics: Mapping[str, Any]) -> str:
    tokens = metrics.get("tokens") or {}
    known = [
        ("method", facts.how),
        ("rounds of feedback", facts.rounds),
        ("small task model (STM)", facts.stm),
        ("seed", facts.seed),
        ("profile", facts.profile),
        ("tokens written", count(tokens["completion"]) if tokens.get("completion") is not None else None),
        ("synthgen", facts.version),
    ]
    return "\n".join(f"- {name}: {_md(value)}" for name, value in known if value is not None)


def _counts(metrics: Mapping[str, Any]) -> list[str]:
    tables = [
        _table((head, "samples"), [(name, count(value)) for name, value in (metrics.get(key) or {}).items()])
        for head, key in (("PLM", "samples_by_plm"), ("label", "samples_by_label"), ("round", "samples_by_round"))
    ]
    rejected = sorted((metrics.get("rejected_by_reason") or {}).items(), key=lambda item: (-item[1], item[0]))
    return [
        "Columns: `text` (and `text_pair` where the task has pairs), `label`, `weight`, `plm`, `round`, `id`.",
        *tables,
        "Texts that were rejected, by reason:" if rejected else "",
        _table(("reason", "texts"), [(reason, count(value)) for reason, value in rejected]),
    ]


def _accuracy(facts: RunFacts, metrics: Mapping[str, Any]) -> list[str]:
    if metrics.get("accuracy") is None:
        return ["Not measured: the run had no gold data."]
    stm = f"A small task model ({_md(facts.stm)})" if facts.stm else "A small task model"
    gold = _md(facts.gold) if facts.gold else "gold data"
    rounds = [(str(index), percent(value)) for index, value in enumerate(metrics.get("accuracy_by_round") or ())]
    alone = [(name, percent(value)) for name, value in (metrics.get("accuracy_by_plm") or {}).items()]
    return [
        f"{stm} trained on this dataset alone reaches **{percent(metrics['accuracy'])} %** on {count(facts.gold_size)} "
        f"real texts ({gold}). Real labelled data were used for this figure only and chose nothing.",
        _table(("after round", "accuracy %"), rounds),
        _table(("samples of one PLM", "accuracy %"), alone),
    ]


def _fixed(facts: RunFacts, *, private: bool) -> str:
    seed = f", seed {facts.seed}" if facts.seed is not None else ""
    asks = (
        " A repetition asks the private samples again: it spends the same budget once more and gives another dataset."
    )
    again = asks if private else ""
    citation = f"\n\n## Citation\n\n```bibtex\n{_CITATION}\n```" if facts.method == "fusegen" else ""
    return f"""\
## How to load it

```python
from datasets import load_dataset

data = load_dataset("path/to/this/folder", split="train")
```

## How to repeat it

```
synthgen run recipe.yaml
```

`recipe.yaml` in the run folder holds the complete setting{seed}.{again}

## Limitations

- Labels are what a PLM was asked for. Some are wrong; `weight` says how far the small models trusted a sample.
- The texts repeat the biases, the mistakes and perhaps the training texts of the PLMs that wrote them.
- Facts, names and quotations in the texts may be invented.
- What you may do with the texts depends on the licences of the PLMs above; this card grants none.{citation}"""


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([ABSENT if cell is None else _md(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _md(value: object) -> str:
    return _SPECIAL.sub(r"\\\1", clean(value))
