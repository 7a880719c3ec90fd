"""The bundled models: whole, or the user hears of it before anything starts."""

import json
from dataclasses import replace
from functools import cache
from hashlib import sha256

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, pocket_folder

CHECKSUMS = "checksums.json"
POCKET = pocket_folder("pocket")
SERVED = ("imdb", "sst2", "subj", "banking77", "banking77-10", "yelp")
"""The tasks whose prompts the pocket PLMs obey: those they were trained for, and two near ones (docs/tasks.md)."""


@cache
def _expected() -> dict[str, dict[str, str]]:
    try:
        loaded: dict[str, dict[str, str]] = json.loads((POCKET / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError("The bundled models are missing or damaged; install synthgen again.") from None
    return loaded


def check_pocket(plm: PLM) -> PLM:
    """Compare a bundled model's files with their recorded SHA-256; return it with a hash over them as its revision.

    Raises ``UserError`` naming a file that is damaged or missing.
    """
    folder = pocket_folder(plm.model)
    files = _expected().get(folder.name)
    if not files:
        raise UserError(f"The bundled model {plm.model} is missing; install synthgen again.")
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != digest:
            raise UserError(f"The bundled model file {plm.model}/{name} is damaged or missing; install synthgen again.")
    return replace(plm, revision=sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12])


def seal_pocket() -> None:
    """Record the checksums of all bundled models, after training."""
    folders = sorted(path for path in POCKET.iterdir() if path.is_dir())
    sums = {
        folder.name: {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
        for folder in folders
    }
    (POCKET / CHECKSUMS).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
