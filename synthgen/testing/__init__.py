"""What tests and benchmarks need in place of the real thing: an OpenAI-speaking server with faults on demand."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.testing.faults import Fault as Fault
    from synthgen.testing.server import ScriptedServer as ScriptedServer

__all__ = ["Fault", "ScriptedServer"]


def __getattr__(name: str) -> Any:
    # Late, so that ``python -m synthgen.testing.server`` does not find its own module already imported.
    if name == "Fault":
        from synthgen.testing.faults import Fault

        return Fault
    if name == "ScriptedServer":
        from synthgen.testing.server import ScriptedServer

        return ScriptedServer
    raise AttributeError(f"module 'synthgen.testing' has no attribute {name!r}")
