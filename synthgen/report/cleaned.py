"""What a published file may not say of the machine a run was made on: addresses go, local paths keep their last part.

What the user says to readers (``about``, label names) stays as it is: prompts and card hold it too.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from synthgen.recipe import without_addresses

SERVER = "server"
_SAID = {"about", "labels", "license"}
_ALWAYS_FILES = {"private", "pool"}
_DROPPED: dict[str, list[Any] | dict[str, Any]] = {"endpoint": [], "environment": {}}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s,;'\")\]]*")
_ROOT = r"(?:[A-Za-z]:[\\/]|\\\\|~[^\s/\\]*[\\/]|\.{0,2}[\\/])"
_WHOLLY = re.compile(rf"((?:[\w.+-]+[=@]|[\w.+-]{{2,}}:)*)({_ROOT}.*)", re.DOTALL)
_WITHIN = re.compile(rf"(?<=[\s=@:,;'\"(\[]){_ROOT}[^\s,;'\")\]]*")
_RELATIVE = re.compile(
    r"((?:[\w.+-]+[=@]|[\w.+-]{2,}:)*)"
    r"([^/\\\s]+(?:[/\\][^/\\\s]+){2,}|[^/\\\s]+\\[^/\\\s]+|.*[/\\][^/\\]*\.(?:jsonl?|csv|parquet|ya?ml|txt|gz))"
)


def cleaned_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's settings for others to read: without endpoints, environments and the folders of files."""
    plms = recipe.get("plms")
    given = {**recipe, "plms": list(without_addresses(plms))} if isinstance(plms, list | tuple) else recipe
    return dict(cleaned(given))


def cleaned(value: Any, name: str = "") -> Any:
    """Return a plain value, however deep, with every string of it made publishable; ``name`` is the field's."""
    if name in _DROPPED and value:
        return type(_DROPPED[name])()
    if isinstance(value, Mapping):
        return {key: cleaned(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one, name) for one in value]
    if not isinstance(value, str) or name in _SAID:
        return value
    return last_part(value) if name in _ALWAYS_FILES else publishable(value)


def publishable(text: str) -> str:
    """Return ``text`` without addresses and with the last part only of each local path in it.

    A path is known by its root (``/``, ``~``, ``.``, a drive), by a file's ending, or by more than one slash: one alone
    is a Hub id. It may follow a name (``mine=/models/x``, ``encoder:/models/x``), and a text that begins with a root
    is one path, blanks and all.
    """
    text = _URL.sub(SERVER, text)
    # A gold's source: repository, configuration and split may make more than one slash.
    for shape in (_WHOLLY,) if text.startswith("hub:") else (_WHOLLY, _RELATIVE):
        if found := shape.fullmatch(text):
            return found[1] + last_part(found[2])
    return _WITHIN.sub(lambda found: last_part(found[0]), text)


def last_part(path: str) -> str:
    """Return the last part of a path of any system, or ``a local folder`` for one that has none."""
    kind = PureWindowsPath if "\\" in path or path[1:2] == ":" else PurePosixPath
    name = kind(path).name
    return name if name not in {"", ".", "..", "~"} else "a local folder"
