"""What reads a run folder that somebody else made, or that was damaged."""

import shutil
from functools import cache
from pathlib import Path

from hostile_places import place
from hostile_target import Target

from synthgen.api import fusegen
from synthgen.report.card import card_of_run
from synthgen.report.evidence import read_evidence
from synthgen.runs.read import load_run

FILES = (
    "recipe.yaml",
    "manifest.json",
    "metrics.json",
    "task.yaml",
    "rounds/00/samples.jsonl",
    "rounds/00/rejected.jsonl",
    "rounds/00/demonstrations.json",
    "rounds/01/dynamics.parquet",
    "rounds/00/votes.json",
    "ledger.json",
    "dataset/train.parquet",
)


@cache
def made() -> Path:
    """Make a small run, once a process."""
    folder = place() / "run"
    fusegen(
        "imdb", ["gpt2", "opt"], out=folder, engine="scripted", gold="none", samples=8, rounds=1, demos=1, candidates=4
    )
    (folder / "ledger.json").write_text('{"promised": {}, "spent": {"epsilon": 1.0}, "releases": []}', encoding="utf-8")
    (folder / "rounds" / "00" / "votes.json").write_text(
        '{"releases": [], "plm_weights": {"gpt2": 1}}', encoding="utf-8"
    )
    # As before there were checksums, or as whoever changed a file has changed its checksum too.
    for sums in [*folder.rglob("SHA256SUMS")]:
        sums.unlink()
    return folder


def folders() -> Target:
    """A run folder one of whose files is not what it was; the first byte says which."""
    folder = made()
    sound = {name: (folder / name).read_bytes() for name in FILES}

    def feed(data: bytes) -> None:
        name = FILES[data[0] % len(FILES)] if data else FILES[0]
        (folder / name).write_bytes(data[1:])
        try:
            run = load_run(folder)
            run.samples()
            run.dynamics()
            run.demonstrations()
            read_evidence(folder)
            card_of_run(run)
        finally:
            (folder / name).write_bytes(sound[name])

    fields = ("id", "text", "label", "plm", "round", "weight", "reason", "status", "plms", "name", "releases")
    seeds = [bytes([number]) + sound[name] for number, name in enumerate(FILES)]
    return Target("folder", feed, seeds, fields, million=5_000)


def remove() -> None:
    """Take the run away again."""
    shutil.rmtree(place() / "run", ignore_errors=True)
    made.cache_clear()
