"""How many requests a server takes at once: additive increase, multiplicative decrease (Chiu and Jain, 1989)."""

import asyncio
from collections import deque


class Window:
    """Lets at most ``limit`` requests be open, never more than ``most``.

    Every answer widens it a little, up to one more per window of answers; a refusal for load halves it, once for all
    requests that were sent under the same limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Return how many requests may be open now, at least one."""
        return max(1, int(self._limit))

    async def enter(self) -> int:
        """Wait for a place and take it; return the limit it was given under."""
        while self._open >= self.limit:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self._open += 1
        return self.limit

    def leave(self) -> None:
        """Give the place back."""
        self._open -= 1
        self._wake()

    def answered(self) -> None:
        """Widen a little."""
        self._limit = min(self._most, self._limit + 1 / self._limit)

    def refused(self, under: int) -> None:
        """Halve, unless the limit has already come down since the request was sent ``under`` it."""
        if self.limit >= under:
            self._limit = max(1.0, under / 2)

    def _wake(self) -> None:
        for _ in range(self.limit - self._open):
            while self._waiting:
                place = self._waiting.popleft()
                if not place.done():
                    place.set_result(None)
                    break
