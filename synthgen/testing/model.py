"""The pretended model behind the server: it knows its names, its script, its context and the prompts it has seen."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from synthgen.plms.engines.scripted import Script
from synthgen.records import Request
from synthgen.seeds import short_id
from synthgen.testing.answers import (
    Asked,
    Choice,
    RefusalError,
    check_length,
    cut,
    read_asked,
    read_prompt,
    sampling_of,
    write_answer,
)

_BLOCK = 16


class PrefixCache:
    """Prompts seen before, as hashes of their prefixes in blocks of 16 words; the ``size`` last used are kept."""

    def __init__(self, size: int = 65_536) -> None:
        self._size = size
        self._known: OrderedDict[int, None] = OrderedDict()

    def reuse(self, model: str, words: Sequence[str]) -> int:
        """Return how many first words an earlier prompt shared, and remember these; the last word is never shared."""
        prefix, shared, meeting = hash(model), 0, True
        for start in range(0, len(words) - _BLOCK, _BLOCK):
            prefix = hash((prefix, *words[start : start + _BLOCK]))
            meeting = meeting and prefix in self._known
            if meeting:
                shared += _BLOCK
            self._known[prefix] = None
            self._known.move_to_end(prefix)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return shared

    def clear(self) -> None:
        """Forget every prompt."""
        self._known.clear()


class ScriptedModel:
    """Answer request bodies under any of ``names``; ``asleep`` refuses completions with 503."""

    def __init__(
        self,
        names: tuple[str, ...],
        script: Script,
        label: str | Callable[[str], str],
        seed: int,
        max_model_len: int | None,
    ) -> None:
        self.asleep = False
        self._names = names
        self._script = script
        self._label = label
        self._seed = seed
        self._max_model_len = max_model_len
        self._cache = PrefixCache()

    def answer(self, body: dict[str, Any], *, chat: bool, number: int) -> dict[str, Any]:
        """Return the answer object to a completion or chat body; raises ``RefusalError``."""
        asked = read_asked(body, chat=chat)
        self._check_name(asked.model)
        if self.asleep:
            raise RefusalError(503, "The model is asleep.")
        words = asked.prompt.split()
        room = None
        if self._max_model_len is not None:
            check_length(len(words), asked.max_tokens, self._max_model_len)
            room = self._max_model_len - len(words)
        choices = [self._choice(asked, index, room) for index in range(asked.n)]
        cached = self._cache.reuse(asked.model, words)
        return write_answer(asked, choices, number, len(words), cached)

    def listing(self) -> dict[str, Any]:
        """Return the list of models; entries have ``max_model_len`` where there is a limit."""
        entry: dict[str, Any] = {"object": "model", "created": 0, "owned_by": "synthgen"}
        if self._max_model_len is not None:
            entry["max_model_len"] = self._max_model_len
        return {"object": "list", "data": [{"id": name, **entry} for name in self._names]}

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        """Count the words of ``prompt`` or ``messages``; raises ``RefusalError``."""
        if "model" in body:
            self._check_name(body["model"])
        return {"count": len(read_prompt(body).split()), "max_model_len": self._max_model_len}

    def sleep(self) -> None:
        """Fall asleep and forget the prompts seen."""
        self.asleep = True
        self._cache.clear()

    def _choice(self, asked: Asked, index: int, room: int | None) -> Choice:
        seed = (self._seed if asked.seed is None else asked.seed) + index
        try:
            request = Request(
                id=short_id(asked.model, asked.prompt, seed),
                plm=asked.model,
                round=0,
                label=self._label if isinstance(self._label, str) else self._label(asked.prompt),
                prompt=asked.prompt,
                seed=seed,
                sampling=sampling_of(asked, room),
            )
            text = self._script(request)
        except Exception as error:
            # Whatever a user's script raises, the client hears of it, and the server lives on.
            raise RefusalError(500, f"The script failed ({type(error).__name__}: {error}).") from error
        return cut(text, asked.stops, room if asked.max_tokens is None else asked.max_tokens)

    def _check_name(self, name: object) -> None:
        if name not in self._names:
            raise RefusalError(404, f"The model `{name}` does not exist.", "model")
