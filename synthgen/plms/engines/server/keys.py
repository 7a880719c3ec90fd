"""API keys: read from the environment, sent to the server they are for, written nowhere."""

import os
import re
from urllib.parse import urlsplit

from synthgen.errors import UserError

KEYS = ("SYNTHGEN_API_KEY", "OPENAI_API_KEY")
"""Variables that any PLM's key may be in; the second is for OpenAI's own servers alone."""
LONGEST = 300
"""Characters of a server's own words that are passed on."""


def key_variable(name: str) -> str:
    """Return the environment variable that holds the key of the PLM called ``name`` alone."""
    return re.sub(r"\W", "_", name).upper() + "_API_KEY"


def key_variables(name: str, url: str) -> list[str]:
    """Return the variables that may hold the key of the PLM called ``name`` at ``url``, the first that is set wins.

    They are ``<NAME>_API_KEY`` and SYNTHGEN_API_KEY. OPENAI_API_KEY goes to OpenAI alone, so that naming some other
    server does not hand it over.
    """
    host = urlsplit(url).hostname or ""
    # A PLM called "openai" must not be a way to OPENAI_API_KEY.
    names = [own for own in (key_variable(name),) if own not in KEYS] + ["SYNTHGEN_API_KEY"]
    if host == "openai.com" or host.endswith(".openai.com"):
        names.append("OPENAI_API_KEY")
    return names


def key_for(name: str, url: str) -> str | None:
    """Return the key of the PLM called ``name`` at ``url``, None where no variable has one."""
    return next((key for variable in key_variables(name, url) if (key := os.environ.get(variable, "").strip())), None)


def authorization(name: str, url: str) -> dict[str, str]:
    """Return the header that carries the key, or none. Raises ``UserError`` for a key that no header can carry."""
    key = key_for(name, url)
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            f"The key for {name} ({' or '.join(key_variables(name, url))}) holds a character that no key has; set it "
            "again."
        )
    return {"Authorization": f"Bearer {key}"}


def without_keys(text: str) -> str:
    """Return ``text``, shortened, without any API key of the environment: servers repeat a key that they refuse."""
    for variable, value in os.environ.items():
        if variable.endswith("_API_KEY") and len(key := value.strip()) >= 4:
            text = text.replace(key, "…")
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
