"""What this machine has: GPUs as the driver's own tool reports them, and the host's memory.

``nvidia-smi`` is asked rather than torch, so that no CUDA context takes memory in this process. Gigabytes are decimal.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

TIMEOUT = 10.0
"""Seconds that ``nvidia-smi`` may take; a broken driver makes it hang."""

_QUERY = ("nvidia-smi", "--format=csv,noheader,nounits")
_MIB = 1.048576e-3


@dataclass(frozen=True, slots=True)
class GPU:
    """One GPU: its index among all of the machine's, its memory and what of it is free, in gigabytes."""

    index: int
    name: str
    total: float
    free: float
    uuid: str = ""


def gpus() -> tuple[GPU, ...]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves visible, in its order; none where there is no working driver."""
    reported = _ask("index,uuid,name,memory.total,memory.free")
    if not reported:
        return ()
    return visible_gpus(parse_gpus(reported, host_memory()), os.environ.get("CUDA_VISIBLE_DEVICES"))


def driver() -> str | None:
    """Return the version of the NVIDIA driver, None where there is none or it does not answer."""
    first = (_ask("driver_version") or "").partition("\n")[0].strip()
    return first if re.fullmatch(r"\d+(\.\d+)+", first) else None


def host_memory() -> tuple[float, float]:
    """Return the machine's memory and what of it programs can have now, in gigabytes."""
    memory = psutil.virtual_memory()
    return memory.total / 1e9, memory.available / 1e9


def parse_gpus(reported: str, host: tuple[float, float]) -> tuple[GPU, ...]:
    """Read lines of ``index, uuid, name, total, free`` (MiB); what is no such line is left out.

    Memory that is no number, as on machines whose GPU shares the host's, is ``host``'s (total, available).
    """
    found = []
    for line in reported.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 5 or not parts[0].isdecimal():
            continue
        index, uuid, *name, total, free = parts
        sizes = (_gigabytes(total, host[0]), _gigabytes(free, host[1]))
        if None not in sizes:
            found.append(GPU(int(index), ", ".join(name), sizes[0] or 0.0, sizes[1] or 0.0, uuid))
    return tuple(found)


def visible_gpus(found: Sequence[GPU], visible: str | None) -> tuple[GPU, ...]:
    """Return those of ``found`` that a value of CUDA_VISIBLE_DEVICES names, in its order; all where it is None.

    As CUDA reads it: indices, UUIDs or unmistakable beginnings of UUIDs; an entry that names no GPU ends the list, and
    a GPU named twice leaves none visible.
    """
    if visible is None:
        return tuple(found)
    chosen: list[GPU] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.isdecimal():
            named = [gpu for gpu in found if gpu.index == int(entry)]
        else:
            named = [gpu for gpu in found if entry and gpu.uuid.startswith(entry)]
        if len(named) != 1:
            break
        if named[0] in chosen:
            return ()
        chosen += named
    return tuple(chosen)


def _gigabytes(mebibytes: str, unknown: float) -> float | None:
    """Return gigabytes, ``unknown`` where a GPU has no memory of its own, None for anything else (a lost GPU)."""
    if re.fullmatch(r"\d+(\.\d+)?", mebibytes):
        return float(mebibytes) * _MIB
    return unknown if re.fullmatch(r"\[?(N/A|Not Supported)\]?", mebibytes, re.IGNORECASE) else None


def _ask(fields: str) -> str | None:
    """Return what ``nvidia-smi`` says of ``fields``, None where it is absent, fails or hangs."""
    try:
        process = subprocess.Popen(
            [*_QUERY, f"--query-gpu={fields}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError:
        return None
    try:
        said, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        # Stuck inside the driver it does not die of this; then it is left behind.
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        return None
    return said if process.returncode == 0 else None
