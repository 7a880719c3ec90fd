"""What can go wrong on purpose: which requests a fault strikes, and how it spoils an answer."""

import json
import threading
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

FaultKind = Literal[
    "slow",
    "429",
    "500",
    "503",
    "cut",
    "drop",
    "garbage",
    "html",
    "hang",
    "wrong-model",
    "half-utf8",
    "empty-choices",
    "null-text",
    "missing-usage",
]

GARBAGE = b"\x00\xff\xfe{no JSON"
PAGE = b"<!doctype html>\n<html><head><title>Gateway</title></head><body>Please come back later.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """Spoil some completion requests, counted by arrival from the moment the fault is added.

    It strikes the first ``first`` requests and every ``every``-th one, or all of them where neither is given; never
    more than ``times`` in all.

    - ``slow`` answers well, but ``seconds`` later; it goes together with any other fault.
    - ``429``, ``500`` and ``503`` are errors; with ``retry_after`` (seconds, or text that is sent as it is) they carry
      a Retry-After header.
    - ``cut`` promises the whole body and closes the connection after half of it; ``drop`` closes it without a word;
      ``hang`` stays silent until the client goes or the server stops.
    - ``garbage`` and ``html`` have status 200 and a body that is no JSON.
    - ``half-utf8`` is a body that ends in the middle of a character, and says so in its Content-Length.
    - ``wrong-model`` names another model; ``empty-choices``, ``null-text`` and ``missing-usage`` lack what they say.

    Raises ``ValueError`` for an unknown kind or a count below 1.
    """

    kind: FaultKind
    every: int | None = None
    first: int | None = None
    times: int | None = None
    retry_after: float | str | None = None
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(get_args(FaultKind))}")
        for name in ("every", "first", "times"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} must be 1 or more, not {count}")
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative, not {self.seconds}")


def parse_fault(text: str) -> Fault:
    """Read ``KIND[,every=N][,first=N][,times=N][,retry_after=S][,seconds=S]``; raises ``ValueError``."""
    kind, *settings = text.split(",")
    known = {field.name for field in fields(Fault)} - {"kind"}
    given: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known:
            raise ValueError(f"a fault has no setting {name!r}; there are {', '.join(sorted(known))}")
        given[name] = value if name == "retry_after" else float(value) if name == "seconds" else int(value)
    return Fault(kind, **given)  # type: ignore[arg-type]


class FaultPlan:
    """The faults in force. Faults may be added and cleared by any thread while one thread draws."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: tuple[_Counter, ...] = ()

    def add(self, fault: Fault) -> None:
        """Count from here on; earlier faults go first."""
        with self._lock:
            self._counters = (*self._counters, _Counter(fault))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._counters = ()

    def draw(self) -> tuple[float, Fault | None]:
        """Count one arrival; return the seconds that slow faults add, and the first other fault that strikes."""
        delay, chosen = 0.0, None
        for counter in self._counters:
            if not counter.due():
                continue
            if counter.fault.kind == "slow":
                delay += counter.fault.seconds
            elif chosen is None:
                chosen = counter.fault
            else:
                continue
            counter.struck += 1
        return delay, chosen


class _Counter:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._arrived = 0

    def due(self) -> bool:
        self._arrived += 1
        fault = self.fault
        if fault.times is not None and self.struck >= fault.times:
            return False
        if fault.every is None and fault.first is None:
            return True
        among_first = fault.first is not None and self._arrived <= fault.first
        return among_first or (fault.every is not None and self._arrived % fault.every == 0)


def spoil(kind: FaultKind, answer: dict[str, Any]) -> bytes:
    """Return the body of ``answer`` with the fault in it; kinds that leave the body alone give it whole."""
    if kind == "wrong-model":
        answer["model"] += "-other"
    elif kind == "empty-choices":
        answer["choices"] = []
    elif kind == "missing-usage":
        del answer["usage"]
    elif kind == "null-text":
        _set_texts(answer, None)
    elif kind == "half-utf8":
        _set_texts(answer, "caf\u00e9")
        body = encode(answer)
        return body[: body.rindex(b"\xc3") + 1]
    return encode(answer)


def encode(value: object) -> bytes:
    """Return JSON in UTF-8, not escaped, as model servers write it; lone surrogates become question marks."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _set_texts(answer: dict[str, Any], text: str | None) -> None:
    for choice in answer["choices"]:
        if "message" in choice:
            choice["message"]["content"] = text
        else:
            choice["text"] = text
