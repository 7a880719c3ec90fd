"""What a round writes as its texts are judged: samples.jsonl and rejected.jsonl, there when both are whole."""

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from synthgen.records import Rejected, Sample
from synthgen.runs.files import writing


class RoundWriter:
    """Takes verdicts in order. Leaving it without an error puts both files in place; with one, neither.

    ``labels`` counts the samples and ``reasons`` the rejected texts so far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self.samples = folder / "samples.jsonl"
        self._files: dict[str, IO[bytes]] = {}
        self.labels: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def __enter__(self) -> "RoundWriter":
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            for name in ("samples", "rejected"):
                self._files[name] = opened.enter_context(writing(self._folder / f"{name}.jsonl"))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def keep(self, verdict: Sample | Rejected) -> None:
        """Write a sample or a rejected text."""
        if isinstance(verdict, Sample):
            self.labels[verdict.label] += 1
            name = "samples"
        else:
            self.reasons[verdict.reason] += 1
            name = "rejected"
        self._files[name].write(json.dumps(verdict.to_row(), ensure_ascii=False).encode() + b"\n")
