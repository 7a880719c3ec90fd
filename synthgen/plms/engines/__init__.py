"""Engines: what runs a PLM. One row a kind; each is imported when it is first asked for."""

from importlib import import_module
from typing import Literal, cast

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.base import Engine

EngineName = Literal["auto", "transformers", "scripted"]

_REGISTRY = {
    "transformers": "synthgen.plms.engines.transformers:open_transformers",
    "scripted": "synthgen.plms.engines.scripted:open_scripted",
}


def open_engine(plm: PLM, name: EngineName = "auto") -> Engine:
    """Load ``plm`` and return an engine for it; ``auto`` is ``transformers``.

    Raises ``UserError`` where the model is not there, is damaged or does not fit.
    """
    module, _, function = _REGISTRY["transformers" if name == "auto" else name].partition(":")
    return cast(Engine, getattr(import_module(module), function)(plm))
