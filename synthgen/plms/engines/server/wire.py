"""What goes over the wire: requests as JSON bodies, answers as completions. Nothing here does any input or output."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.prompt import shortened
from synthgen.records import Completion, FinishReason, Request

SEEDS = 2**31
"""Seeds are folded below this: some servers keep them in 32 signed bits."""


class GarbledError(Exception):
    """An answer that is not what the protocol promises; asking again may help."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: its HTTP status, what the server said in one line, and the parameter and code it named."""

    status: int
    message: str
    parameter: str | None = None
    code: str | None = None


def body_of(batch: Sequence[Request], *, model: str, chat: bool, drop: int) -> dict[str, Any]:
    """Return the JSON body that asks for one completion a request of ``batch``; their prompts are equal.

    ``n`` completions come from one seed, the first request's. A chat model gets the prompt as the user's message and
    no stop string: its answer may begin with a quote. ``drop`` demonstrations are left out.
    """
    first = batch[0]
    prompt = shortened(first.prompt, drop)
    sampling = first.sampling
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": first.seed % SEEDS,
    }
    if chat:
        body["messages"] = [{"role": "user", "content": prompt}]
    else:
        body["prompt"] = prompt
        if sampling.stop:
            body["stop"] = [sampling.stop]
    if len(batch) > 1:
        body["n"] = len(batch)
    return body


def completions_of(batch: Sequence[Request], answer: bytes, *, chat: bool, drop: int) -> tuple[list[Completion], str]:
    """Return the completions of a 200 answer, in the order of ``batch``, and the model that the server named.

    There may be fewer than asked for, never more. A prompt that was read for several choices counts as cached for all
    but the first; tokens the server does not count are counted as words. Raises ``GarbledError``.
    """
    loaded = _loaded(answer)
    written = [_written(choice, chat=chat) for choice in _choices(loaded)[: len(batch)]]
    model = str(loaded.get("model") or "")
    prompt_tokens, total, cached = _counted(loaded)
    prompt = shortened(batch[0].prompt, drop) or ""
    prompt_tokens = prompt_tokens or len(prompt.split())
    lengths = _shares(total, [text for text, _ in written])
    found = []
    for place, (request, (text, finish)) in enumerate(zip(batch, written, strict=False)):
        stop = request.sampling.stop
        if stop and not chat and stop in text:
            text, finish = text[: text.index(stop)], "stop"
        found.append(
            Completion(
                request=request.id,
                text=text,
                finish=finish,
                prompt_tokens=prompt_tokens,
                completion_tokens=lengths[place],
                cached_tokens=prompt_tokens if place else min(cached, prompt_tokens),
                dropped=drop,
            )
        )
    return found, model


def refusal_of(status: int, answer: bytes) -> Refusal:
    """Read an error answer of any shape: OpenAI's, FastAPI's, plain text, a web page."""
    try:
        loaded = json.loads(answer)
    except (ValueError, RecursionError):
        text = answer.decode("utf-8", "replace").strip()
        return Refusal(status, "a web page" if text[:1] == "<" else _line(text))
    parameter = code = None
    # OpenAI: {"error": {"message", "param", "code"}}; FastAPI: {"detail": [{"loc", "msg"}]}; Mistral: one in the other.
    while isinstance(loaded, Mapping | list) and loaded:
        if isinstance(loaded, list):
            loaded = loaded[0]
            continue
        place = loaded.get("loc")
        parameter = loaded.get("param") or (place[-1] if isinstance(place, list) and place else None) or parameter
        code = loaded.get("code") or code
        loaded = next((loaded[name] for name in ("error", "message", "detail", "msg") if loaded.get(name)), None)
    return Refusal(
        status,
        _line(loaded if isinstance(loaded, str) else ""),
        parameter if isinstance(parameter, str) else None,
        code if isinstance(code, str) else None,
    )


def too_long(refusal: Refusal) -> bool:
    """Tell whether the server refused a prompt because it is longer than the model's context."""
    said = refusal.message.lower()
    return refusal.status in {400, 413, 422, 500} and (
        refusal.code == "context_length_exceeded"
        or any(sign in said for sign in ("context length", "context size", "context window", "maximum model length"))
        or ("max_model_len" in said)
        or ("too long" in said and ("prompt" in said or "input" in said))
        or ("longer than" in said and "token" in said)
    )


def _line(text: str) -> str:
    return " ".join(text.split()) or "nothing"


def _loaded(answer: bytes) -> dict[str, Any]:
    try:
        loaded = json.loads(answer)
    except UnicodeDecodeError:
        raise GarbledError("bytes that are no text") from None
    except RecursionError:
        raise GarbledError("JSON nested too deep") from None
    except ValueError:
        start = answer.lstrip()[:1]
        raise GarbledError("a web page" if start == b"<" else "no JSON" if start else "nothing") from None
    if not isinstance(loaded, dict):
        raise GarbledError("JSON without choices")
    return loaded


def _choices(loaded: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the choices in the order of their numbers."""
    choices = loaded.get("choices")
    if not isinstance(choices, list) or not choices:
        raise GarbledError("JSON without choices")
    if not all(isinstance(choice, Mapping) for choice in choices):
        raise GarbledError("a choice without text")
    try:
        return sorted(choices, key=lambda choice: choice.get("index") or 0)
    except TypeError:
        raise GarbledError("choices that are not numbered") from None


def _written(choice: Mapping[str, Any], *, chat: bool) -> tuple[str, FinishReason]:
    message = choice.get("message") if chat else choice
    text = None
    if isinstance(message, Mapping):
        text = message.get("content" if chat else "text")
        if text is None and any(message.get(name) for name in ("reasoning_content", "reasoning", "refusal")):
            # It thought until its tokens were spent, or would not: asking again brings the same.
            text = ""
    if not isinstance(text, str):
        raise GarbledError("a choice without text")
    # JSON can hold half a character; files cannot.
    text = text.encode("utf-8", "replace").decode()
    return text, "length" if choice.get("finish_reason") == "length" else "stop"


def _counted(loaded: Mapping[str, Any]) -> tuple[int, int | None, int]:
    """Return prompt tokens (0: unknown), completion tokens of all choices (None: unknown), cached prompt tokens."""
    try:
        usage = loaded.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        total = usage.get("completion_tokens")
        return (
            max(0, int(usage.get("prompt_tokens") or 0)),
            None if total is None else max(0, int(total)),
            max(0, int(details.get("cached_tokens") or 0)),
        )
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise GarbledError("token counts that are no numbers") from None


def _shares(total: int | None, texts: Sequence[str]) -> list[int]:
    """Split the tokens of all choices among them by their words; count words where there is no total."""
    words = [len(text.split()) for text in texts]
    if total is None:
        return words
    if len(texts) == 1:
        return [total]
    shares = [total * count // max(1, sum(words)) for count in words]
    shares[0] += total - sum(shares)
    return shares
