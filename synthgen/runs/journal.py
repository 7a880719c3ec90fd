"""The journal of completions: what a PLM has answered is on disk before more is asked, and never asked again."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from synthgen.errors import SynthgenError
from synthgen.plms.engines.base import Engine
from synthgen.records import Completion, Request
from synthgen.seeds import short_id


@dataclass(frozen=True, slots=True)
class Answered:
    """Requests with their completions; ``fresh`` where they came from the engine just now."""

    pairs: list[tuple[Request, Completion]]
    fresh: bool


class Journal:
    """Completions of one PLM in one round, one line a batch, appended as each batch finishes, in any order.

    A line that a crash cut short or that was damaged is ignored, so its batch runs again, whole.
    """

    def __init__(self, path: Path, *, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._known: dict[str, Completion] = {}
        self._torn = False
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
        line = json.dumps(rows, ensure_ascii=False).encode() + b"\n"
        with self._path.open("ab") as file:
            file.write(b"\n" + line if self._torn else line)
        self._torn = False
        self._remember(rows)

    def _read(self) -> None:
        data = self._path.read_bytes()
        self._torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            try:
                self._remember(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def _remember(self, rows: list[dict[str, object]]) -> None:
        # Parse the whole line before keeping any of it: the batch is the unit of replay.
        parsed = {
            str(row["key"]): Completion(**{name: row[name] for name in Completion.__slots__})  # type: ignore[arg-type]
            for row in rows
        }
        self._known.update(parsed)
