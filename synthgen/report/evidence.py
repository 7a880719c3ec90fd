"""What a run folder holds beside its samples that a page shows: rejections, released votes, the ledger."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonlines

from synthgen.errors import UserError
from synthgen.runs.files import object_of

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """``rejected`` counts texts by round and reason; ``examples`` are a few rows a reason, the latest rounds' last.

    ``votes`` holds ``votes.json`` by round: noised releases and the PLM weights made of them; ``ledger`` what was spent
    on them. All three may be empty.
    """

    rejected: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    examples: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    votes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    ledger: Mapping[str, Any] | None = None


def read_evidence(folder: Path) -> Evidence:
    """Read it from a run folder, whatever of it is there. Raises ``UserError`` where a file is damaged."""
    rejected: dict[int, Counter[str]] = {}
    examples: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(folder.glob("rounds/*/rejected.jsonl")):
        counted = rejected.setdefault(int(path.parent.name), Counter())
        try:
            with jsonlines.open(path) as reader:
                for row in reader.iter(type=dict):
                    counted[row["reason"]] += 1
                    held = examples.setdefault(row["reason"], [])
                    if len(held) < EXAMPLES:
                        held.append(row)
        except (KeyError, TypeError, ValueError, RecursionError, jsonlines.Error):
            raise _damaged(path) from None
    votes = {int(path.parent.name): _object(path) for path in sorted(folder.glob("rounds/*/votes.json"))}
    ledger = folder / "ledger.json"
    return Evidence(rejected, examples, votes, _object(ledger) if ledger.is_file() else None)


def _object(path: Path) -> dict[str, Any]:
    found = object_of(path)
    if found is None:
        raise _damaged(path)
    return found


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged; resume the run to write it anew.")
