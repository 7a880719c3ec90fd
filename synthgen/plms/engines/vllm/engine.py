"""A PLM served by a vLLM of our own: started, watched, started again where it dies, stopped for good."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.engine import ServerEngine
from synthgen.plms.engines.vllm.child import Child
from synthgen.plms.engines.vllm.find import VARIABLE, vllm_python, vllm_version
from synthgen.plms.engines.vllm.flags import Slot, command, environment
from synthgen.plms.hardware import gpus, host_memory
from synthgen.records import Completion, Request

READY = 3600.0
"""Seconds a server may take to become ready: the weights may have to be downloaded first."""
NAP = 600.0
"""Seconds that going to sleep or waking may take."""
RELEASED = 60.0
"""Seconds that a driver may take to hand memory back after the last process has gone."""


def open_vllm(
    plm: PLM, note: Callable[[str], None], *, slot: Slot, log: Path, tell: Callable[[float], None]
) -> "VllmEngine":
    """Start ``vllm serve`` for ``plm`` in ``slot`` and return when it is ready.

    Its output goes to ``log``; ``tell`` hears the seconds waited so far, again and again, and may raise to give up.
    Raises ``UserError`` where vLLM is not installed, ``SynthgenError`` with its last words where it does not come up.
    """
    python = vllm_python()
    if python is None:
        raise UserError(f"{plm.name} wants vLLM, which is not installed: pip install 'synthgen[vllm]'.")
    if vllm_version(python) is None:
        raise UserError(f"{python} has no vLLM; let {VARIABLE} name the python of an environment that has.")
    return VllmEngine(plm, note, python=python, slot=slot, log=log, tell=tell)


class VllmEngine:
    """The engine over one vLLM server process. Loads the PLM when made."""

    def __init__(
        self,
        plm: PLM,
        note: Callable[[str], None],
        *,
        python: str,
        slot: Slot,
        log: Path,
        tell: Callable[[float], None],
    ) -> None:
        self._plm = plm
        self._note = note
        self._python = python
        self._slot = slot
        self._log = log
        self._tell = tell
        self._child = Child()
        self._free = _free_on(slot)
        self._server = ServerEngine(
            plm, [self._start()], model=plm.name, note=note, alive=lambda: self._child.alive, revive=self._restart
        )

    @property
    def pid(self) -> int | None:
        """Return the process id of the server."""
        return self._child.pid

    @property
    def url(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self._child.port}/v1"

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group requests as the server engine does."""
        return self._server.batches(requests)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions as they come; a server that dies is started again, and asked only for what is missing."""
        yield from self._server.generate(requests)

    def close(self) -> None:
        """Stop the server; return when its processes are gone and its GPUs' memory is free again."""
        self._server.close()
        self._child.stop()
        until = time.monotonic() + RELEASED
        while any(now < before * 0.95 for now, before in zip(_free_on(self._slot), self._free, strict=False)):
            if time.monotonic() > until:
                self._note(f"The GPU memory of {self._plm.name} is not free a minute after its server has gone.")
                return
            time.sleep(0.5)

    def sleep(self) -> bool:
        """Move the weights to the host's memory where it has room for them; the process stays."""
        room = host_memory()[1]
        if not self._slot.gpus or self._plm.memory is None or room < self._plm.memory * 1.2:
            return False
        return self._post("/sleep?level=1")

    def wake(self) -> bool:
        """Bring the weights back to the GPU."""
        return self._child.alive and self._post("/wake_up")

    def _start(self) -> str:
        self._child.launch(
            lambda port: command(self._plm, python=self._python, port=port, slot=self._slot),
            environment(self._plm, self._slot, os.environ),
            self._log,
            timeout=READY,
            tell=self._tell,
        )
        return self.url

    def _restart(self) -> str:
        self._child.stop()
        return self._start()

    def _post(self, path: str) -> bool:
        try:
            answer = httpx2.post(f"http://127.0.0.1:{self._child.port}{path}", timeout=NAP, trust_env=False)
        except httpx2.HTTPError:
            return False
        return answer.status_code == 200


def _free_on(slot: Slot) -> list[float]:
    """Return the free memory, in gigabytes, of a slot's GPUs."""
    visible = gpus()
    return [visible[gpu].free for gpu in slot.gpus if gpu < len(visible)]
