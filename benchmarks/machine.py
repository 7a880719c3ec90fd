"""The machine a benchmark ran on, and what it can do at most: measured, not read off a data sheet."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "synthgen", "numpy", "scipy", "scikit-learn", "torch", "transformers", "pyarrow", "datasets", "datasketch",
    "datatrove", "faiss-cpu",
)  # fmt: skip
ROOM = 2**25
"""Numbers of eight bytes that are copied: 256 MiB, far beyond any cache."""


def machine() -> dict[str, Any]:
    """Return cores, memory, and the two speeds that bound most stages, over all cores and on one."""
    import psutil
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        alone = matrix_product()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(psutil.getloadavg()[0], 1),
        "copy_gb_per_second": round(copying(), 1),
        "gflops": round(matrix_product()),
        "gflops_one_core": round(alone),
    }


def copying() -> float:
    """Return how many GB a second one thread moves in a copy far larger than any cache, read and written together."""
    import numpy as np

    source, target = np.ones(ROOM), np.zeros(ROOM)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source)) / 1e9


def matrix_product(size: int = 2048) -> float:
    """Return the 10⁹ operations a second of a product of two square matrices of single precision."""
    import numpy as np

    left, right = np.ones((size, size), dtype=np.float32), np.ones((size, size), dtype=np.float32)
    out = np.empty_like(left)
    return 2 * size**3 / best(lambda: np.matmul(left, right, out=out)) / 1e9


def best(work: Callable[[], object], times: int = 5) -> float:
    """Return the seconds of the fastest of some runs: what the machine can do when nothing else has it."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def versions() -> dict[str, str]:
    """Return the versions of what is measured, and of what it is measured beside."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> str:
    """Return the commit of a checkout, with a ``+`` where files besides the tables differ; empty outside one."""

    def said(*words: str) -> str:
        ran = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
        return ran.stdout.strip() if not ran.returncode else ""

    head = said("rev-parse", "--short", "HEAD")
    return head + (
        "+" if head and said("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance.*") else ""
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
