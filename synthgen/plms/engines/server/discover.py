"""Find out what a server serves before anything is asked of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.endpoint import proxied
from synthgen.plms.engines.server.engine import ServerEngine
from synthgen.plms.engines.server.keys import authorization, key_variables, without_keys
from synthgen.plms.engines.server.wire import Refusal, refusal_of

SECONDS = 20.0
"""How long a server may take to list its models."""
SHOWN = 8
"""Models named in a sentence."""
TRY_AGAIN = "see to the server and try again."


@dataclass(frozen=True, slots=True)
class Served:
    """What one address serves: its models with their context in tokens (None: not said). None: it lists none."""

    url: str
    models: dict[str, int | None] | None


def open_server(plm: PLM, note: Callable[[str], None]) -> ServerEngine:
    """Return an engine for a PLM behind its ``urls``; ``discover`` has been there before."""
    return ServerEngine(plm, plm.urls, note=note)


def discover(plm: PLM) -> PLM:
    """Ask the servers of ``plm`` what they serve; return it with the model's name, its context, and right addresses.

    Raises ``SynthgenError`` where no server answers and ``UserError`` where one serves something else, wants a key, or
    is no OpenAI-compatible server. Where several share the load, those that do not answer now may do so later.
    """
    found: list[Served] = []
    absent: dict[str, SynthgenError] = {}
    for url in plm.urls:
        try:
            found.append(look(plm.name, url))
        except UserError:
            raise
        except SynthgenError as error:
            absent[url] = error
    if not found:
        raise next(iter(absent.values()))
    models = {_chosen(plm, served) for served in found}
    if len(models) > 1:
        raise UserError(f"The servers of {plm.name} serve different models: {', '.join(sorted(models))}.")
    (model,) = models
    contexts = [length for served in found if served.models and (length := served.models.get(model))]
    context = min(contexts, default=plm.context)
    return replace(plm, model=model, urls=(*(served.url for served in found), *absent), context=context)


def look(name: str, url: str) -> Served:
    """List the models at ``url``, or at ``url``/v1 where that is the right address.

    Raises ``SynthgenError`` where nothing answers, ``UserError`` where the answer is not that of such a server.
    """
    refusals = []
    with httpx2.Client(headers=authorization(name, url), timeout=SECONDS, trust_env=proxied(url)) as client:
        for base in (url, f"{url}/v1") if not url.endswith("/v1") else (url,):
            try:
                response = client.get(f"{base}/models")
            except (httpx2.RequestError, httpx2.InvalidURL) as error:
                said = without_keys(" ".join(str(error).split())) or type(error).__name__
                raise SynthgenError(f"Nothing answers at {url} ({said}); {TRY_AGAIN}") from None
            if response.status_code == 200 and (models := _listed(response.content)) is not None:
                return Served(base, models)
            refusals.append(refusal_of(response.status_code, response.content))
    return _without_list(name, url, refusals)


def _without_list(name: str, url: str, refusals: list[Refusal]) -> Served:
    """Make out a server that lists nothing: some have no such route, others want a key, others are no such server."""
    last = refusals[-1]
    if any(refusal.status in {401, 403} for refusal in refusals):
        raise UserError(
            f"{url} wants a key for {name} ({last.status}, {without_keys(last.message)}); "
            f"put it into {' or '.join(key_variables(name, url))}."
        )
    if last.status in {404, 405, 501} and last.message != "a web page":
        return Served(url, None)
    if last.status in {429, 500, 502, 503, 504}:
        raise SynthgenError(f"{url} cannot answer now ({last.status}, {without_keys(last.message)}); {TRY_AGAIN}")
    raise UserError(
        f"{url} does not answer as an OpenAI-compatible server does (it sends {last.message}); "
        "the address of one usually ends in /v1."
    )


def _listed(answer: bytes) -> dict[str, int | None] | None:
    try:
        rows: list[dict[str, Any]] = json.loads(answer)["data"]
        return {str(row["id"]): _length(row.get("max_model_len")) for row in rows}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _length(said: object) -> int | None:
    return said if isinstance(said, int) and said > 0 else None


def _chosen(plm: PLM, served: Served) -> str:
    """Return what the server calls the PLM's model; the PLM's own name where nobody says another."""
    models = served.models
    if not models or plm.model in models:
        return plm.model or plm.name
    if not plm.model and len(models) == 1:
        return next(iter(models))
    shown = ", ".join(list(models)[:SHOWN]) + (", …" if len(models) > SHOWN else "")
    example = f"--plms {plm.name}={next(iter(models))}@{served.url}"
    if not plm.model:
        raise UserError(f"{served.url} serves {len(models)} models ({shown}); name one: {example}.")
    raise UserError(f"{served.url} does not serve {plm.model}; it serves {shown}: {example}.")
