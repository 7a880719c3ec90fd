"""synthgen: several language models write a labelled text dataset together and improve it round by round."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.api import compare as compare
    from synthgen.api import execute as execute
    from synthgen.api import fusegen as fusegen
    from synthgen.api import load_run as load_run
    from synthgen.api import progen as progen
    from synthgen.api import push as push
    from synthgen.api import sungen as sungen
    from synthgen.api import wasp as wasp
    from synthgen.api import zerogen as zerogen

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "execute", "fusegen", "load_run", "progen", "push", "sungen", "wasp", "zerogen"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from synthgen import api

        return getattr(api, name)
    raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
