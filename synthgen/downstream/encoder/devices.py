"""Which device an encoder runs on, in which number format, and what to say when its memory is used up."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from synthgen.errors import UserError
from synthgen.plms.engines.memory import free_gpu_memory, out_of_memory

# Without it the products of matrices on a GPU may differ from run to run; it is read when the GPU is first used.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def roomiest() -> torch.device:
    """Return the GPU with most free memory, else the CPU."""
    free = free_gpu_memory()
    return torch.device("cuda", max(free, key=lambda gpu: (free[gpu], -gpu))) if free else torch.device("cpu")


def bfloat16_pays(device: torch.device, *, training: bool) -> bool:
    """Return whether bfloat16 is the faster format.

    On a CPU with instructions for it, scoring took 2.6 times less time, training only 1.25 times: too little to give
    up precision for.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(False))
    # Older versions of torch cannot say what the processor can.
    can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return not training and bool(can.get("avx512_bf16") or can.get("amx_bf16"))


@contextmanager
def enough_memory(name: str) -> Iterator[None]:
    """Turn every way of running out of memory into ``UserError``."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"Memory was used up by STM {name}; choose a smaller batch or max_length among its options, or a smaller "
            "encoder."
        ) from error


@contextmanager
def repeatable(device: torch.device, seed: int) -> Iterator[None]:
    """Seed what torch draws and, on a GPU, keep to algorithms that add in one order; undone at the end."""
    gpu = device.type == "cuda"
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device.index or 0] if gpu else []):
        torch.manual_seed(seed)
        try:
            with warnings.catch_warnings():
                if gpu:
                    torch.use_deterministic_algorithms(True, warn_only=True)
                    warnings.filterwarnings("ignore", message=".* does not have a deterministic implementation")
                yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warned)
