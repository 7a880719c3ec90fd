"""Engines: what runs a PLM. One row a kind; each is imported when it is first asked for."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.base import Engine


class Row(NamedTuple):
    """Where an engine is opened. ``process``: it is one of its own, with a place, a log, and a start that takes time.

    One of ``any_plm`` runs whatever PLM is asked for: nothing speaks against it where a user names it. ``inner`` is
    the engine that runs the PLM in other processes, where the engine itself only spreads the work over these.
    """

    opens: str
    process: bool = False
    any_plm: bool = False
    inner: str | None = None


ENGINES = {
    "vllm": Row("synthgen.plms.engines.vllm.engine:open_vllm", process=True),
    "transformers": Row("synthgen.plms.engines.transformers:open_transformers"),
    "server": Row("synthgen.plms.engines.server.discover:open_server"),
    "scripted": Row("synthgen.plms.engines.scripted:open_scripted", any_plm=True),
    "ray": Row("synthgen.plms.engines.ray.engine:open_ray", process=True, inner="auto"),
    "ray:transformers": Row("synthgen.plms.engines.ray.engine:open_ray", process=True, inner="transformers"),
    "ray:vllm": Row("synthgen.plms.engines.ray.engine:open_ray", process=True, inner="vllm"),
    "ray:scripted": Row("synthgen.plms.engines.ray.engine:open_ray", process=True, any_plm=True, inner="scripted"),
}


def open_engine(
    plm: PLM, name: str = "transformers", *, note: Callable[[str], None] = lambda sentence: None, **process: Any
) -> Engine:
    """Return an engine of the kind ``name`` for ``plm``, loaded. ``note`` hears what a user should know.

    ``process`` holds ``slot``, ``log`` and ``tell``, see ``open_vllm``. Raises ``UserError`` where the model is not
    there, is damaged or does not fit, ``SynthgenError`` where its server does not come up.
    """
    row = ENGINES[name]
    module, _, function = row.opens.partition(":")
    settings = {**(process if row.process else {}), **({"inner": row.inner} if row.inner else {})}
    return cast(Engine, getattr(import_module(module), function)(plm, note, **settings))
