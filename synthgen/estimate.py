"""Rough figures for a plan: how long generation takes, how much memory it needs. Nothing is loaded."""

import os
import re
from collections.abc import Mapping

from synthgen.plms.arrange import Arrangement, is_elsewhere
from synthgen.plms.catalog import PLM, POOL
from synthgen.plms.hardware import GPU
from synthgen.recipe import is_scripted

TFLOPS = {
    "B200": 2250,
    "GH200": 990,
    "H200": 990,
    "H100": 990,
    "A100": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A40": 150,
    "A10": 125,
    "A10G": 70,
    "A6000": 155,
    "5090": 210,
    "4090": 165,
    "3090": 71,
    "V100": 112,
    "T4": 65,
}
"""Dense 16-bit teraflops from the makers' data sheets, by a word of the GPU's name."""
SHARE = 0.2
"""Share of those that batched generation reaches."""
CPU_FLOPS = 2e10
"""Floating-point operations a second and core in 32 bits, in small matrix products."""
POCKET_RATE = 3000.0
"""Tokens a second that a pocket PLM writes on two cores (README)."""
START = {"vllm": 45.0, "transformers": 3.0}
"""Seconds to start an engine, besides reading the weights."""
READ = 1e9
"""Bytes of weights read a second."""


def seconds_to_write(plm: PLM, engine: str, tokens: int, gpus: tuple[GPU, ...]) -> float | None:
    """Estimate the seconds in which ``plm`` writes ``tokens``; None where there is nothing to go by."""
    if is_scripted(engine) or engine == POOL:
        return 0.0
    if is_elsewhere(engine):
        return None
    if plm.size == "pocket":
        return tokens / POCKET_RATE
    if plm.parameters is None:
        return None
    work = 2.0 * plm.parameters * 1e9 * tokens
    if not gpus:
        return work / (CPU_FLOPS * (os.cpu_count() or 1))
    words = re.findall(r"\w+", gpus[0].name)
    known = next((TFLOPS[word] for word in words if word in TFLOPS), None)
    return None if known is None else work / (known * 1e12 * SHARE)


def seconds_to_load(plm: PLM, engine: str) -> float:
    """Estimate the seconds of one start."""
    return START.get(engine, 0.0) + (plm.memory or 0.0) * 1e9 / READ if engine in START else 0.0


def time_of(arrangement: Arrangement, tokens: Mapping[str, int], *, rounds: int, gpus: tuple[GPU, ...]) -> str:
    """Return the estimated time of all generation in words; ``tokens`` are those each PLM writes."""
    total, unknown = 0.0, []
    loads = rounds if len(arrangement.groups) > 1 else 1
    for plm in arrangement.plms:
        engine = arrangement.chosen[plm.name].engine
        writing = seconds_to_write(plm, engine, tokens[plm.name], gpus)
        total += loads * seconds_to_load(plm, engine) + (writing or 0.0)
        if writing is None:
            unknown.append(plm.name)
    said = f"about {_spoken(total)}"
    if not unknown:
        return said
    return f"{said}, and what {', '.join(unknown)} takes" if len(unknown) < len(arrangement.plms) else "not known"


def memory_of(arrangement: Arrangement) -> str:
    """Return what the PLMs need in gigabytes, and which are up together."""
    said = []
    for group in arrangement.groups:
        parts = []
        for name, slot in group.slots.items():
            engine = arrangement.chosen[name].engine
            if is_elsewhere(engine):
                parts.append(f"{name} ({engine})")
                continue
            where = f" on GPU {'+'.join(map(str, slot.gpus))}" if slot.gpus else ""
            memory = arrangement.needs[name]
            parts.append(f"{name} {'?' if memory is None else f'{memory:g}'} GB{where} ({engine})")
        said.append(", ".join(parts))
    together = "all at once" if len(said) == 1 else "one group after the other"
    return f"{together}: {'; then '.join(said)}"


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
