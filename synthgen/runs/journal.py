"""The journal of completions: what a PLM has answered is on disk before more is asked, and never asked again."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from zlib import crc32

from synthgen.errors import SynthgenError
from synthgen.links import unlinked
from synthgen.plms.engines.base import Engine
from synthgen.records import Completion, Request
from synthgen.runs.files import naming, sync_folder
from synthgen.seeds import short_id

SECONDS_UNFORCED = 5.0
"""How long an answer may be with the operating system alone: what a power cut can lose. A crash of ours loses none."""

_SEAL = re.compile(rb'\[\{"crc32": "([0-9a-f]{8})", ')


@dataclass(frozen=True, slots=True)
class Answered:
    """Requests with their completions; ``fresh`` where they came from the engine just now."""

    pairs: list[tuple[Request, Completion]]
    fresh: bool


class Journal:
    """Completions of one PLM in one round, one line a batch, appended as each batch finishes, in any order.

    A line is a list of completions, the first of which holds the CRC-32 of what follows it; older lines have none. A
    line that a crash cut short or that was damaged is ignored, so its batch runs again, whole.
    """

    def __init__(self, path: Path, *, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._known: dict[str, Completion] = {}
        self._torn = False
        self._forced = -SECONDS_UNFORCED
        self._unforced = False
        if path.exists():
            self._read()

    def replay(self, requests: Sequence[Request], open_engine: Callable[[], Engine]) -> Iterator[Answered]:
        """Yield every request with its completion: known ones from disk, the others as their batches come.

        The engine is only opened where something is missing. A batch is on disk before the next one is taken from the
        engine. Raises ``SynthgenError`` where the engine leaves a request unanswered.
        """
        keys = {request.id: self._key(request) for request in requests}
        known = {name: self._known[key] for name, key in keys.items() if key in self._known}
        if len(known) == len(keys):
            yield Answered([(request, known[request.id]) for request in requests], fresh=False)
            return
        engine = open_engine()
        missing: list[Request] = []
        for batch in engine.batches(requests):
            if all(request.id in known for request in batch):
                yield Answered([(request, known[request.id]) for request in batch], fresh=False)
            else:
                missing.extend(batch)
        try:
            yield from self._ask(missing, keys, engine)
        finally:
            self._force()

    def _ask(self, missing: Sequence[Request], keys: dict[str, str], engine: Engine) -> Iterator[Answered]:
        batch_of = {request.id: batch for batch in engine.batches(missing) for request in batch}
        arrived: dict[str, Completion] = {}
        for completion in engine.generate(missing):
            arrived[completion.request] = completion
            batch = batch_of[completion.request]
            if all(request.id in arrived for request in batch):
                pairs = [(request, arrived.pop(request.id)) for request in batch]
                for request in batch:
                    del batch_of[request.id]
                self._append([(keys[request.id], completion) for request, completion in pairs])
                yield Answered(pairs, fresh=True)
        if batch_of:
            raise SynthgenError(f"{len(batch_of)} requests came back without an answer; go on with --resume.")

    def _key(self, request: Request) -> str:
        return short_id(self._identity, request.id, request.prompt, request.seed, request.sampling, *request.counters)

    def _append(self, answered: list[tuple[str, Completion]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"key": key, **asdict(completion)} for key, completion in answered]
        line = _sealed(json.dumps(rows, ensure_ascii=False).encode()) + b"\n"
        torn, self._torn = self._torn, True
        with naming(self._path), open(self._path, "ab", opener=unlinked) as file:
            file.write(b"\n" + line if torn else line)
        self._torn, self._unforced = False, True
        if monotonic() - self._forced >= SECONDS_UNFORCED:
            self._force()
        self._remember(rows)

    def _force(self) -> None:
        """Have the disk hold what was appended, and the names that lead to it."""
        if not self._unforced:
            return
        with naming(self._path), self._path.open("rb") as file:
            os.fsync(file.fileno())
        for folder in list(self._path.parents)[:4]:
            sync_folder(folder)
        self._forced, self._unforced = monotonic(), False

    def _read(self) -> None:
        with self._path.open("rb") as file:
            for line in file:
                self._torn = not line.endswith(b"\n")
                try:
                    if rows := _opened(line.rstrip(b"\n")):
                        self._remember(rows)
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    continue

    def _remember(self, rows: list[dict[str, object]]) -> None:
        # Parse the whole line before keeping any of it: the batch is the unit of replay.
        parsed = {
            str(row["key"]): Completion(**{name: row[name] for name in Completion.__slots__})  # type: ignore[arg-type]
            for row in rows
        }
        self._known.update(parsed)


def _sealed(line: bytes) -> bytes:
    return b'[{"crc32": "%08x", %b' % (crc32(line[2:]), line[2:])


def _opened(line: bytes) -> list[dict[str, object]]:
    """Return a line's rows. Raises ``ValueError`` where its checksum says that it was damaged."""
    seal = _SEAL.match(line)
    if seal and int(seal[1], 16) != crc32(line[seal.end() :]):
        raise ValueError("another checksum")
    rows: list[dict[str, object]] = json.loads(line)
    if not seal and any(len(row) != len(Completion.__slots__) + 1 for row in rows):
        raise ValueError("more than an older version wrote: the checksum itself was damaged")
    return rows
