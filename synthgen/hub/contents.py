"""What of a run folder goes to the Hub, and under which names. Nothing else ever does: no rounds, votes or logs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha1
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from synthgen.report.cleaned import cleaned, cleaned_recipe

TEXTS = (".md", ".json", ".yaml")
"""How the names of the small files end that go with the commit itself."""
CARD, DATA = "README.md", "train.parquet"
REPLACED = (
    "recipe.yaml",
    "manifest.json",
    "metrics.json",
    "ledger.json",
    "plots/cartography.png",
    "plots/accuracy.png",
)
"""What a push takes away where another run left it and this one has none: it would describe data that has gone."""
_PICTURE = re.compile(r"[(\"'](plots/[\w.-]+\.(?:png|svg|jpe?g))[)\"'\s]")
_NOTE = "# As published: addresses, environments and the folders of local files are left out.\n"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One file: its ``path`` in the repository, and its content, a file or bytes. ``blob`` is git's name for it."""

    path: str
    content: Path | bytes
    size: int
    sha256: str
    blob: str

    def open(self) -> BinaryIO:
        """Open the content, unbuffered where it is a file."""
        return BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb", buffering=0)


def contents(run: Path, documents: Mapping[str, Mapping[str, Any]]) -> tuple[Outgoing, ...]:
    """Return what goes: the data and its card, the pictures the card shows, and the documents, cleaned.

    ``documents`` are ``recipe.yaml``, ``manifest.json`` and ``metrics.json`` as read, where the run has them. The
    ledger goes as it is: it holds nothing private, and is the evidence of the promise.
    """
    found = [_outgoing(DATA, run / "dataset" / DATA)]
    card = run / "dataset" / CARD
    if card.is_file():
        found.append(_outgoing(CARD, card))
        shown = dict.fromkeys(_PICTURE.findall(card.read_text(encoding="utf-8", errors="replace")))
        for path in shown:
            # Beside the card; runs of older versions have it in their own plots.
            there = [place for place in (run / "dataset" / path, run / path) if place.is_file()]
            found += [_outgoing(path, place) for place in there[:1]]
    for name, held in documents.items():
        found.append(_outgoing(name, _document(run / name, held)))
    if (run / "ledger.json").is_file():
        found.append(_outgoing("ledger.json", run / "ledger.json"))
    return tuple(found)


def _document(path: Path, held: Mapping[str, Any]) -> Path | bytes:
    """Return the file itself where there is nothing to clean, so that its bytes stay."""
    recipe = path.suffix == ".yaml"
    said = cleaned_recipe(held) if recipe else cleaned(held)
    if said == held:
        return path
    if recipe:
        return (_NOTE + yaml.safe_dump(said, sort_keys=False, allow_unicode=True)).encode()
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()


def _outgoing(path: str, content: Path | bytes) -> Outgoing:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        whole = file_digest(file, "sha256").hexdigest()
        file.seek(0)
        blob = file_digest(file, lambda: sha1(b"blob %d\0" % size, usedforsecurity=False)).hexdigest()
    return Outgoing(path, content, size, whole, blob)
