"""The front matter of a dataset card: what the Hub and ``load_dataset`` read before anything else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from synthgen.licences import license_fields
from synthgen.report.facts import RunFacts

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SENTIMENT = ({"negative", "positive"}, {"negative", "neutral", "positive"})
_INFERENCE = ({"entailment", "neutral", "contradiction"}, {"entailment", "not_entailment"})
_BY_TASK = {
    "agnews": "topic-classification",
    "banking77": "intent-classification",
    "banking77-10": "intent-classification",
    "markednews": "topic-classification",
    "openreview-area": "topic-classification",
    "yelp-category": "topic-classification",
}


_ODD_BREAKS = frozenset("\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Quotes what holds YAML's rarer line breaks, which the plain dumper lets be folded into blanks."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _ODD_BREAKS & set(text) else None)


_Dumper.add_representer(str, _text)


def front_matter_text(front: Mapping[str, Any]) -> str:
    """Return the metadata as YAML between its two lines of dashes."""
    return f"---\n{yaml.dump(dict(front), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)}---"


def front_matter(
    facts: RunFacts,
    *,
    labels: Sequence[str],
    size: int,
    parquet: Path | None,
    kept_license: str | None,
    protected: bool,
) -> dict[str, Any]:
    """Return the metadata, a licence only where the user chose one (``kept_license``, see ``check_license``).

    With ``parquet``, ``dataset_info`` holds its features and sizes; ``size`` counts samples. ``protected``:
    differential privacy is promised for the dataset as it is.
    """
    kind = _task_id(facts.task, labels)
    return {
        **({"language": [facts.language]} if facts.language else {}),
        **(license_fields(kept_license) if kept_license else {}),
        "pretty_name": f"{facts.task} (synthetic, {facts.method})",
        "task_categories": ["text-classification"],
        **({"task_ids": [kind]} if kind else {}),
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "size_categories": [next((name for limit, name in _SIZES if size < limit), "1M<n<10M")],
        "tags": ["synthetic", "synthgen", facts.method, *(["differential-privacy"] if protected else [])],
        **({"dataset_info": _dataset_info(parquet)} if parquet else {}),
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
    }


def _task_id(task: str, labels: Sequence[str]) -> str | None:
    if set(labels) in _SENTIMENT:
        return "sentiment-classification"
    if set(labels) in _INFERENCE:
        return "natural-language-inference"
    return _BY_TASK.get(task)


def _dataset_info(parquet: Path) -> Mapping[str, Any]:
    import pyarrow.parquet as pq
    from datasets import DatasetInfo, Features, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.splits import SplitDict
    from huggingface_hub import DatasetCardData

    with pq.ParquetFile(parquet) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        size = sum(batch.nbytes for batch in file.iter_batches())
    info = DatasetInfo(
        features=Features.from_arrow_schema(schema),
        splits=SplitDict({"train": SplitInfo("train", num_bytes=size, num_examples=rows)}),
        download_size=parquet.stat().st_size,
        dataset_size=size,
    )
    data = DatasetCardData()
    DatasetInfosDict(default=info).to_dataset_card_data(data)
    written: Mapping[str, Any] = data.to_dict()["dataset_info"]
    return written
