"""What the Hub refuses, in one sentence; and what is worth asking again. The token is in none of it."""

import json
from urllib.parse import urlsplit

from synthgen.errors import SynthgenError, UserError, causes

AGAIN = "run the same command again: what is uploaded stays"
LONGEST_WAIT = 60.0
_BUSY = {408, 409, 412, 425, 429, 500, 502, 503, 504}
_MISFORMED = ("improperly formatted", "Malformed response", "Invalid server response")
_UNREACHED = ("Connect", "Proxy", "UnsupportedProtocol")


def worth_repeating(error: Exception) -> float | None:
    """Return the least seconds to wait before the same is asked again; None where that would not help.

    A commit that another one overtook (409, 412), a Hub that is busy or failing, a broken connection and an upload
    address that ran out are worth it; no connection at all is not.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    for cause in causes(error):
        if isinstance(cause, HfHubHTTPError):
            expired = cause.response.status_code == 403 and _method(cause) == "PUT"
            return _asked_to_wait(cause) if expired or cause.response.status_code in _BUSY else None
        if isinstance(cause, HTTPError):
            return None if type(cause).__name__.startswith(_UNREACHED) else 0.0
        if isinstance(cause, json.JSONDecodeError):
            return 0.0
    return None


def explained(error: Exception, repo: str, endpoint: str, token: str | None) -> SynthgenError | None:
    """Return what to tell the user, or None for an error that is none of the Hub's."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    host = urlsplit(endpoint).netloc or endpoint
    for cause in causes(error):
        if isinstance(cause, SynthgenError):
            return cause
        if isinstance(cause, OfflineModeIsEnabled):
            return UserError("HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to push.")
        if isinstance(cause, HfHubHTTPError):
            return _refused(cause.response.status_code, _said(cause, token), repo, host)
        if isinstance(cause, HTTPError):
            if type(cause).__name__.startswith(_UNREACHED):
                return SynthgenError(f"The Hub at {host} cannot be reached; check the connection, then {AGAIN}.")
            return SynthgenError(f"The connection to the Hub at {host} broke; {AGAIN}.")
        if isinstance(cause, ValueError):
            said = _without(str(cause), token)
            if said.startswith(("Invalid meta", "LFS batch")):
                return UserError(f"The Hub does not take what the card or a file holds: {said}")
            if isinstance(cause, json.JSONDecodeError) or any(word in said for word in _MISFORMED):
                return SynthgenError(f"{host} does not answer as a Hub does; check HF_ENDPOINT, then {AGAIN}.")
    return None


def _refused(status: int, said: str, repo: str, host: str) -> SynthgenError:
    words = f" It says: {said}" if said else ""
    if status == 401:
        return UserError(
            f"{host} does not know the token; log in with `hf auth login`, or set HF_TOKEN to one that is valid."
        )
    if status == 403:
        return UserError(f"The token may not write to {repo}; take one with the right to write to it.{words}")
    if status == 404:
        return UserError(f"{host} has no dataset {repo} and no place for it, or the token may not see it.{words}")
    if status in {409, 412}:
        return SynthgenError(f"Others commit to {repo} at the same time; {AGAIN}.")
    if status in _BUSY:
        return SynthgenError(f"{host} is busy or failing (status {status}); {AGAIN}.")
    return UserError(f"{host} refuses the push to {repo} (status {status}).{words}")


def _said(error: object, token: str | None) -> str:
    return _without(str(getattr(error, "server_message", None) or ""), token)[:300]


def _without(text: str, token: str | None) -> str:
    # A server may say back what it was sent.
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain.replace(token, "(the token)") if token else plain


def _method(error: object) -> str:
    return str(getattr(getattr(getattr(error, "response", None), "request", None), "method", ""))


def _asked_to_wait(error: object) -> float:
    said = str(getattr(error, "response").headers.get("Retry-After", ""))  # noqa: B009 (untyped library)
    return min(float(said), LONGEST_WAIT) if said.isdigit() else 0.0
