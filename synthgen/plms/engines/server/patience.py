"""How long to go on with a server that fails, is too busy, or is not there."""

from dataclasses import dataclass

from synthgen.errors import SynthgenError


@dataclass(frozen=True, slots=True)
class Patience:
    """``tries`` of one request after faults; ``load`` and ``absence`` seconds in all while a server is too busy or not
    there. Pauses grow from ``first`` to ``longest`` seconds.
    """

    tries: int = 6
    load: float = 1800.0
    absence: float = 30.0
    first: float = 0.25
    longest: float = 20.0


class Trial:
    """One request's history of failures. Each kind sets ``pause``, seconds, or raises once patience is at an end.

    ``passed`` are the addresses that were not there since the last pause, so that none is tried without end.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._faults = 0
        self._refusals = 0
        self._loaded = 0.0
        self._absences = 0
        self._absent = 0.0
        self.pause = 0.0
        self.passed: set[str] = set()

    def fault(self, url: str, said: str) -> None:
        """Count an answer that was an error, unreadable, cut or too late. Raises ``SynthgenError``."""
        self._faults += 1
        if self._faults > self._patience.tries:
            raise SynthgenError(f"{url} failed {self._faults} times on one request ({said}); {GO_ON}")
        self.pause = self._grown(self._faults)

    def refused(self, url: str, said: str, wait: float | None) -> None:
        """Count a refusal for load; the server may have said how many seconds to ``wait``. Raises ``SynthgenError``."""
        self._refusals += 1
        left = self._patience.load - self._loaded
        if wait is not None and wait > left:
            raise SynthgenError(f"{url} is too busy and wants to be left alone for {wait:.0f} s ({said}); {GO_ON}")
        if left <= 0:
            raise SynthgenError(f"{url} has been too busy for {self._loaded:.0f} s ({said}); {GO_ON}")
        # A server that says "at once" is still given a moment.
        self.pause = min(left, self._grown(self._refusals) if wait is None else max(wait, self._patience.first))
        self._loaded += self.pause

    def absence(self, url: str, said: str) -> None:
        """Count a connection that could not be made. Raises ``SynthgenError``."""
        self._absences += 1
        left = self._patience.absence - self._absent
        if left <= 0:
            raise SynthgenError(f"Nothing answers at {url} ({said}); {GO_ON}")
        self.pause = min(left, self._grown(self._absences))
        self._absent += self.pause
        self.passed.clear()

    def _grown(self, count: int) -> float:
        return min(self._patience.longest, self._patience.first * 2.0 ** min(count - 1, 32))


GO_ON = "see to the server and go on with --resume."
