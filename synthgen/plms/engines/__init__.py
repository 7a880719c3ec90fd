"""Engines: what runs a PLM. One row a kind; each is imported when it is first asked for."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, cast

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.base import Engine

EngineName = Literal["auto", "vllm", "transformers", "server", "scripted"]

_REGISTRY = {
    "vllm": "synthgen.plms.engines.vllm.engine:open_vllm",
    "transformers": "synthgen.plms.engines.transformers:open_transformers",
    "server": "synthgen.plms.engines.server.discover:open_server",
    "scripted": "synthgen.plms.engines.scripted:open_scripted",
}
_PROCESS = {"vllm"}
"""Engines that are processes of their own: they have a place, a log, and a start that takes time."""


def open_engine(
    plm: PLM, name: str = "transformers", *, note: Callable[[str], None] = lambda sentence: None, **process: Any
) -> Engine:
    """Return an engine of the kind ``name`` for ``plm``, loaded. ``note`` hears what a user should know.

    ``process`` holds ``slot``, ``log`` and ``tell``, see ``open_vllm``. Raises ``UserError`` where the model is not
    there, is damaged or does not fit, ``SynthgenError`` where its server does not come up.
    """
    module, _, function = _REGISTRY[name].partition(":")
    return cast(Engine, getattr(import_module(module), function)(plm, note, **(process if name in _PROCESS else {})))
