"""Ask servers for completions: many at once, over kept connections, patiently where that may help."""

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.engines.server.dialect import Dialect
from synthgen.plms.engines.server.endpoint import Endpoint
from synthgen.plms.engines.server.keys import key_variables, without_keys
from synthgen.plms.engines.server.patience import GO_ON, Patience, Trial
from synthgen.plms.engines.server.window import Window
from synthgen.plms.engines.server.wire import (
    GarbledError,
    Refusal,
    body_of,
    completions_of,
    refusal_of,
    too_long,
)
from synthgen.prompt import shortened
from synthgen.records import Completion, Request

BUSY = {408, 425, 429, 503}
SECRET = 8
"""Characters from which on a key's value is no word that a text may have by chance."""


class GoneError(Exception):
    """The caller's own server has died."""


class Client:
    """Answers batches of requests that share a prompt, for the PLM ``name``; belongs to one event loop.

    ``drops`` remembers how many demonstrations prompts lose. ``alive`` tells whether the server still runs, where the
    caller owns it. ``note`` hears what a user should know.
    """

    def __init__(
        self,
        name: str,
        model: str,
        endpoints: Sequence[Endpoint],
        *,
        dialect: Dialect,
        drops: dict[str, int],
        in_flight: int,
        patience: Patience,
        note: Callable[[str], None],
        alive: Callable[[], bool] | None = None,
    ) -> None:
        self._name = name
        self._model = model
        self._endpoints = list(endpoints)
        self._dialect = dialect
        self._patience = patience
        self._note = note
        self._alive = alive
        self._drops = drops
        self._secrets = _secrets()
        self.window = Window(in_flight)

    async def ask(self, batch: Sequence[Request]) -> list[Completion]:
        """Return a completion a request of ``batch``.

        Raises ``GoneError`` where the caller's own server died, ``SynthgenError`` where patience is at an end, and
        ``UserError`` where the server will never answer this.
        """
        found: list[Completion] = []
        together = True
        while len(found) < len(batch):
            left = batch[len(found) :] if together else batch[len(found) : len(found) + 1]
            came = await self._patiently(left)
            # A server without `n` gives one choice whatever was asked for; then each request is asked alone.
            together = together and len(came) == len(left)
            found += came
        return found

    async def close(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints:
            await endpoint.close()

    async def _patiently(self, batch: Sequence[Request]) -> list[Completion]:
        trial = Trial(self._patience)
        while True:
            trial.pause = 0.0
            if found := await self._once(batch, trial):
                return found
            await asyncio.sleep(trial.pause)

    async def _once(self, batch: Sequence[Request], trial: Trial) -> list[Completion] | None:
        """Send once. None means: again, after ``trial.pause``."""
        limit = await self.window.enter()
        try:
            chat, drop = self._dialect.chat, self._drops.get(batch[0].prompt, 0)
            endpoint = self._nearest()
            body = self._dialect.put(body_of(batch, model=self._model, chat=chat, drop=drop))
            try:
                status, answer, retry_after = await endpoint.post(self._dialect.path, body)
            except httpx2.RequestError as error:
                self._not_sent(endpoint, error, trial)
                return None
            if status != 200:
                refusal = refusal_of(status, answer)
                if too_long(refusal):
                    self._shorten(batch[0], drop, refusal)
                elif (learnt := self._dialect.learn(refusal, body)) is None:
                    self._refused(endpoint, refusal, retry_after, limit, trial)
                elif learnt:
                    self._note(f"{endpoint.url} {learnt}.")
                return None
            try:
                found, model = completions_of(batch, answer, chat=chat, drop=drop)
            except GarbledError as error:
                trial.fault(endpoint.url, f"unreadable: {error}")
                self._rest(endpoint, trial)
                return None
            self.window.answered()
            self._check_model(endpoint, model)
            return [self._unsaid(completion) for completion in found]
        finally:
            self.window.leave()

    def _unsaid(self, completion: Completion) -> Completion:
        """Take secrets out of a text: a server was told its key, and what it writes is published."""
        text = completion.text
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return completion if text == completion.text else replace(completion, text=text)

    def _not_sent(self, endpoint: Endpoint, error: httpx2.RequestError, trial: Trial) -> None:
        said = without_keys(" ".join(str(error).split())) or type(error).__name__
        if self._alive is not None and not self._alive():
            raise GoneError(said)
        if not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            trial.fault(endpoint.url, said)
            self._rest(endpoint, trial)
        elif self._others_up(endpoint) and endpoint.url not in trial.passed:
            trial.passed.add(endpoint.url)
            endpoint.down_until = _now() + self._patience.absence
            self._note(f"{endpoint.url} does not answer ({said}); its share goes to the other servers.")
        else:
            trial.absence(endpoint.url, said)
            # All are down: whichever comes back first is as good as any other.
            for each in self._endpoints:
                each.down_until = 0.0

    def _refused(self, endpoint: Endpoint, refusal: Refusal, retry_after: str | None, limit: int, trial: Trial) -> None:
        said = f"{refusal.status}, {without_keys(refusal.message)}"
        if refusal.code == "insufficient_quota":
            raise SynthgenError(f"{endpoint.url} has no quota left for {self._name} ({said}); {GO_ON}")
        if refusal.status in BUSY:
            self.window.refused(limit)
            trial.refused(endpoint.url, said, _seconds(retry_after))
        elif refusal.status >= 500:
            trial.fault(endpoint.url, said)
        elif refusal.status in {401, 403}:
            variables = " or ".join(key_variables(self._name, endpoint.url))
            raise UserError(
                f"{endpoint.url} refuses {self._name} ({said}); put its key into {variables} and go on with --resume."
            )
        else:
            raise UserError(f"{endpoint.url} will not answer for {self._name} ({said}).")
        self._rest(endpoint, trial)

    def _rest(self, endpoint: Endpoint, trial: Trial) -> None:
        """Leave a failing address alone for the pause: one that fails fast has few open requests and would get all."""
        if self._others_up(endpoint):
            endpoint.down_until = _now() + trial.pause
            trial.pause = min(trial.pause, self._patience.first)

    def _others_up(self, endpoint: Endpoint) -> bool:
        return any(other.down_until <= _now() for other in self._endpoints if other is not endpoint)

    def _shorten(self, request: Request, drop: int, refusal: Refusal) -> None:
        """Leave out one more demonstration of this request's prompt from now on."""
        prompt = request.prompt
        if shortened(prompt, drop + 1) is None:
            said = f"{refusal.status}, {_first(without_keys(refusal.message))}"
            raise UserError(
                f"A prompt and its answer ({request.sampling.max_tokens} tokens at most) do not fit the context of "
                f"{self._name} even without demonstrations ({said}); "
                "start its server with more context or lower the task's max_tokens."
            )
        self._drops[prompt] = max(self._drops.get(prompt, 0), drop + 1)

    def _nearest(self) -> Endpoint:
        """Return the endpoint with the fewest open requests among those that are not down."""
        now = _now()
        up = [endpoint for endpoint in self._endpoints if endpoint.down_until <= now] or self._endpoints
        return min(up, key=lambda endpoint: endpoint.open)

    def _check_model(self, endpoint: Endpoint, model: str) -> None:
        if model and not _same(model, self._model):
            self._note(f"{endpoint.url} answers for {self._name} as {without_keys(model)}, not as {self._model}.")


def _secrets() -> list[str]:
    """Return what in the environment is a key or a token, the longest first."""
    held = {value.strip() for name, value in os.environ.items() if name.upper().endswith(("_API_KEY", "_TOKEN"))}
    return sorted((value for value in held if len(value) >= SECRET), key=len, reverse=True)


def _same(said: str, asked: str) -> bool:
    """Tell whether two names mean one model: paths, tags (``:latest``) and dates (``-2024-08-06``) aside."""
    longer, shorter = sorted((name.lower().rsplit("/", 1)[-1] for name in (said, asked)), key=len, reverse=True)
    return longer.startswith(shorter) and not re.sub(r"^([:@].*|(-\d+)+)", "", longer[len(shorter) :])


def _first(said: str) -> str:
    """Return the first sentence, without its full stop."""
    return re.split(r"(?<=[.!?])\s", said, maxsplit=1)[0].rstrip(".")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
