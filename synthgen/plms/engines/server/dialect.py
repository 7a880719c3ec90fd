"""What one server understands of the protocol, learnt from its refusals."""

import re
from collections.abc import Mapping
from typing import Any

from synthgen.plms.engines.server.wire import Refusal

_OPTIONAL = ("seed", "stop", "top_p", "temperature", "n")
_UNKNOWN = ("unrecogni", "unsupported", "not support", "not permitted", "not allowed", "unknown", "unexpected")


class Dialect:
    """Which of the two kinds of completion a server has, and which parameters it does without.

    Servers and models differ: some know only chat, some want ``max_completion_tokens``, some refuse a seed or a stop
    string. The first refusal teaches, later requests are right at once.
    """

    def __init__(self, *, chat: bool, chat_may_change: bool) -> None:
        self.chat = chat
        self._chat_may_change = chat_may_change
        self._renamed: dict[str, str] = {}
        self.without: set[str] = set()

    @property
    def path(self) -> str:
        """Return the path of the completions, after the server's base address."""
        return "/chat/completions" if self.chat else "/completions"

    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body in this server's words."""
        return {self._renamed.get(name, name): value for name, value in body.items() if name not in self.without}

    def learn(self, refusal: Refusal, sent: Mapping[str, Any]) -> str | None:
        """Take in a refusal of the body ``sent``; return what to tell the user where asking again makes sense.

        The sentence is empty where there is nothing to tell; None means that nothing was learnt. Many requests are
        refused for the same reason before the first refusal has taught anything.
        """
        if ("messages" in sent) != self.chat:
            return ""
        if not self.chat and self._chat_may_change and _chat_only(refusal):
            self.chat = True
            return "knows only chat; prompts are sent as the user's message"
        if refusal.status not in {400, 422}:
            return None
        if "max_tokens" in sent and "max_completion_tokens" in refusal.message:
            self._renamed["max_tokens"] = "max_completion_tokens"
            return ""
        for name in _OPTIONAL:
            if name in sent and _names(refusal, name):
                self.without.add(name)
                effect = "; a second run may write other texts" if name == "seed" else ""
                return f"does not take {name}; it is left out{effect}"
        return None


def _names(refusal: Refusal, name: str) -> bool:
    """Tell whether it is the parameter ``name`` that was refused."""
    said = refusal.message.lower()
    if refusal.parameter == name or any(f"{quote}{name}{quote}" in said for quote in "'\"`"):
        return True
    return len(name) > 1 and any(sign in said for sign in _UNKNOWN) and bool(re.search(rf"\b{name}\b", said))


def _chat_only(refusal: Refusal) -> bool:
    said = refusal.message.lower()
    if refusal.code == "model_not_found" or "not exist" in said:
        return False
    if refusal.status in {400, 404} and "chat" in said:
        return True
    # A route that is not there; a model that is not there is told as such.
    return refusal.status in {404, 405} and "model" not in said
