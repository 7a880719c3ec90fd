"""The OpenAI shapes: a request body read and checked, an answer written. Tokens are words."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.records import FinishReason, Sampling

_WORD = re.compile(r"\S+")
_MOST_CHOICES = 128
_KINDS = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError"}


class RefusalError(Exception):
    """The request gets ``status`` and an OpenAI error object; ``param`` is the field that is wrong."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


@dataclass(frozen=True, slots=True)
class Asked:
    """A completion or chat request. ``max_tokens`` None: no limit but the model's; ``seed`` None: none was given."""

    model: str
    prompt: str
    chat: bool
    n: int
    seed: int | None
    temperature: float
    top_p: float
    max_tokens: int | None
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One text, cut where it ends; ``tokens`` is its words."""

    text: str
    finish: FinishReason
    tokens: int


def error_object(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """Return the error as model servers word it; ``code`` is the HTTP status."""
    kind = _KINDS.get(status, "InternalServerError" if status >= 500 else "BadRequestError")
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def read_asked(body: dict[str, Any], *, chat: bool) -> Asked:
    """Read a body; raises ``RefusalError`` (400) where a field has the wrong type or is out of range.

    The prompt of a chat is its messages' contents, joined by newlines.
    """
    if body.get("stream"):
        raise RefusalError(400, "This server does not stream.", "stream")
    model = body.get("model")
    if not isinstance(model, str):
        raise RefusalError(400, "model must be a string.", "model")
    limit = _whole(body, "max_completion_tokens", None, 1) if chat else None
    if limit is None:
        limit = _whole(body, "max_tokens", None if chat else 16, 1)
    choices = _whole(body, "n", 1, 1)
    if choices is None or choices > _MOST_CHOICES:
        raise RefusalError(400, f"n must be at most {_MOST_CHOICES}.", "n")
    return Asked(
        model=model,
        prompt=_read_messages(body) if chat else _read_prompt(body),
        chat=chat,
        n=choices,
        seed=_whole(body, "seed", None, None),
        temperature=_number(body, "temperature", 0.0, 2.0),
        top_p=_number(body, "top_p", 0.0, 1.0),
        max_tokens=limit,
        stops=_read_stops(body),
    )


def read_prompt(body: dict[str, Any]) -> str:
    """Return the prompt of a body that has either ``prompt`` or ``messages``; raises ``RefusalError`` (400)."""
    return _read_messages(body) if "messages" in body else _read_prompt(body)


def sampling_of(asked: Asked, room: int | None) -> Sampling:
    """Return the settings as a script sees them: the first stop string or "", ``room`` where no limit was given."""
    limit = asked.max_tokens if asked.max_tokens is not None else room
    return Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=Sampling().max_tokens if limit is None else limit,
        stop=asked.stops[0] if asked.stops else "",
    )


def check_length(words: int, max_tokens: int | None, max_model_len: int) -> None:
    """Raise ``RefusalError`` (400) unless ``words`` of prompt and ``max_tokens`` (at least one) fit the model."""
    wanted = 1 if max_tokens is None else max_tokens
    if words + wanted > max_model_len:
        message = (
            f"This model's maximum context length is {max_model_len} tokens. However, you requested {wanted} output "
            f"tokens and your prompt contains {words} input tokens, for a total of {words + wanted} tokens. "
            "Please reduce the length of the input prompt or the number of requested output tokens."
        )
        raise RefusalError(400, message, "input_tokens")


def cut(text: str, stops: Sequence[str], max_tokens: int | None) -> Choice:
    """End ``text`` before the stop string that comes first, or after ``max_tokens`` words."""
    ends = [end for end in map(text.find, stops) if end >= 0]
    if ends:
        text = text[: min(ends)]
    words = len(text.split())
    if max_tokens is None or words <= max_tokens:
        return Choice(text, "stop", words)
    for count, word in enumerate(_WORD.finditer(text), 1):
        if count == max_tokens:
            text = text[: word.end()]
            break
    return Choice(text, "length", max_tokens)


def write_answer(asked: Asked, choices: Sequence[Choice], number: int, words: int, cached: int) -> dict[str, Any]:
    """Return the answer object; ``number`` makes its id, ``words`` and ``cached`` are the prompt's tokens."""
    written = sum(choice.tokens for choice in choices)
    return {
        "id": f"{'chatcmpl' if asked.chat else 'cmpl'}-{number}",
        "object": "chat.completion" if asked.chat else "text_completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": [
            {
                "index": index,
                **({"message": {"role": "assistant", "content": choice.text}} if asked.chat else {"text": choice.text}),
                "logprobs": None,
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": {
            "prompt_tokens": words,
            "completion_tokens": written,
            "total_tokens": words + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def _read_prompt(body: dict[str, Any]) -> str:
    return _text(body.get("prompt"), "prompt")


def _read_messages(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusalError(400, "messages must be a list with a message in it.", "messages")
    if not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
        raise RefusalError(400, "Each message must be an object with a role.", "messages")
    return "\n".join(_text(message.get("content"), "messages") for message in messages)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise RefusalError(400, f"{name} must hold a string.", name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RefusalError(400, f"{name} holds half a character.", name) from None
    return value


def _read_stops(body: dict[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(each, str) for each in stops):
        raise RefusalError(400, "stop must be a string or a list of strings.", "stop")
    return tuple(filter(None, stops))


def _whole(body: dict[str, Any], name: str, default: int | None, low: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusalError(400, f"{name} must be an integer.", name)
    if low is not None and value < low:
        raise RefusalError(400, f"{name} must be at least {low}, got {value}.", name)
    return value


def _number(body: dict[str, Any], name: str, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return 1.0
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise RefusalError(400, f"{name} must be a number from {low} to {high}.", name)
    return float(value)
