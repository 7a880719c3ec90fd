"""How much memory is free, and when it was not enough."""

import gc
from pathlib import Path

import torch

from synthgen.plms.hardware import gpus, host_memory

_SAID = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
_CGROUP = Path("/sys/fs/cgroup")


def out_of_memory(error: BaseException) -> bool:
    """Return whether this is a GPU's or the processor's way of saying that memory is used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The processor's allocator and the GPU's libraries have no class of their own for it.
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


def release() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def free_main_memory() -> int:
    """Return the bytes of main memory that this process may still take."""
    free = int(host_memory()[1] * 1e9)
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        # What the kernel keeps of files counts as used and is given back on demand.
        kept = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return free if limit == "max" else min(free, int(limit) - int(used) + int(kept.get("file", 0)))
    except (OSError, ValueError):
        return free


def free_gpu_memory() -> dict[int, int]:
    """Return the free bytes of each GPU; empty where there is none that works."""
    if not torch.cuda.is_available():
        return {}
    count, reported = torch.cuda.device_count(), gpus()
    if len(reported) == count:
        return {place: int(gpu.free * 1e9) for place, gpu in enumerate(reported)}
    # This takes some of the memory of every GPU that is asked.
    return {place: torch.cuda.mem_get_info(place)[0] for place in range(count)}


def gigabytes(count: float) -> str:
    """Write a number of bytes as decimal gigabytes."""
    return f"{count / 1e9:.1f} GB"
