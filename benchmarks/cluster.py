"""What a cluster costs this process: completions a second that one driver takes from Ray, beside its own engine.

    python benchmarks/cluster.py

PLMs are played by the scripted engine, which writes at once, so that what is measured is the way there and back:
requests into tables, tables through Ray Data, answers out of them, and lines into the journal. The cluster is one of
its own on this machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from limits import requests_of
from rows import row, write_rows

from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.ray.cluster import member
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.runs.journal import Journal

PLAYED = PLM("llama2", "any", "hub")


def rate(count: int, opened: Callable[[], Engine]) -> float:
    """Return completions a second, into a journal."""
    with closing(opened()) as engine, tempfile.TemporaryDirectory() as folder:
        list(engine.generate(requests_of(64)))
        asked = requests_of(count)
        began = time.perf_counter()
        for _ in Journal(Path(folder) / "journal.jsonl", identity="cluster").replay(asked, lambda: engine):
            pass
        return count / (time.perf_counter() - began)


def measured(count: int) -> dict[str, Any]:
    """Measure the scripted engine in this process, then behind Ray."""
    here = rate(count, lambda: open_engine(PLAYED, "scripted"))
    with member():
        there = rate(
            count, lambda: open_engine(PLAYED, "ray:scripted", slot=Slot(), log=Path(), tell=lambda seconds: None)
        )
    return row(
        "ray:scripted",
        f"{count:,} completions through Ray Data into the journal",
        per_second=round(there),
        beside=f"scripted in this process: {here:,.0f} /s",
        ratio=there / here,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    write_rows(given.json, [measured(given.requests)])


if __name__ == "__main__":
    main()
