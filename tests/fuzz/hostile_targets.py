"""All that is fuzzed, by name."""

from collections.abc import Callable

import hostile_folders
import hostile_parsers
import hostile_wires
import hostile_writers
from hostile_target import Target

TARGETS: dict[str, Callable[[], Target]] = {
    "recipe": hostile_parsers.recipes,
    "task": hostile_parsers.tasks,
    "jsonl": hostile_parsers.jsonl,
    "pairs": hostile_parsers.paired,
    "csv": hostile_parsers.delimited,
    "gzip": hostile_parsers.zipped,
    "pool": hostile_parsers.pools,
    "private": hostile_parsers.private,
    "dataset": hostile_parsers.datasets,
    "parquet": hostile_parsers.parquet,
    "clean": hostile_wires.completions,
    "wire": hostile_wires.answers,
    "refusal": hostile_wires.refusals,
    "config": hostile_wires.configurations,
    "journal": hostile_wires.journals,
    "prompt": hostile_wires.prompts,
    "spec": hostile_wires.specs,
    "wording": hostile_writers.wording,
    "card": hostile_writers.cards,
    "page": hostile_writers.pages,
    "comparison": hostile_writers.comparisons,
    "metrics": hostile_writers.metrics,
    "folder": hostile_folders.folders,
}
"""Made when asked for: some read files, one makes a run."""
