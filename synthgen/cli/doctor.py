"""``doctor``: is this machine ready, and where it is not, what to do."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from synthgen.cli.know import Json
from synthgen.errors import UserError
from synthgen.plms.catalog import catalog, plm_of

ROOM = 20.0
"""Gigabytes that a paper-sized PLM takes on the Hub cache's disk, the largest of the papers' with some to spare."""
AGAIN = "install synthgen again"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found, and what to do where that is not enough. Without what is ``needed`` the pocket profile fails."""

    name: str
    found: str
    todo: str | None = None
    needed: bool = False

    @property
    def ok(self) -> bool:
        """Return whether there is nothing to do."""
        return self.todo is None


def doctor(json_: Json = False) -> None:
    """Check this machine; every failing line says what to do. Exits 1 where the pocket profile could not run.

    Example: synthgen doctor --json
    """
    console = Console()
    found = []
    for look in LOOKS:
        for check in look():
            found.append(check)
            if not json_:
                console.print(_line(check), soft_wrap=True)
    fit = all(check.ok for check in found if check.needed)
    if json_:
        checks = [{"ok": check.ok, **asdict(check)} for check in found]
        sys.stdout.write(json.dumps({"ok": fit, "checks": checks}) + "\n")
    if not fit:
        sys.exit(1)


def _line(check: Check) -> Text:
    mark, colour = ("ok  ", "green") if check.ok else (("fail", "red") if check.needed else ("no  ", "yellow"))
    said = check.found if check.ok else f"{check.found}; {check.todo}"
    return Text.assemble((mark, colour), f"  {check.name}: {said}")


def _software() -> Iterator[Check]:
    yield Check("python", platform.python_version(), needed=True)
    try:
        import torch

        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for the CPU"
        yield Check("torch", f"{torch.__version__}, built {built}", needed=True)
    except Exception as error:  # A damaged installation fails in many ways.
        yield Check("torch", f"cannot be imported ({' '.join(str(error).split())[:120]})", AGAIN, needed=True)
    there = _version("transformers")
    yield Check("transformers", there or "absent", None if there else AGAIN, needed=True)


def _pocket() -> Iterator[Check]:
    from synthgen.plms.pocket import check_pocket

    damaged, whole = [], 0
    for family, sizes in catalog().items():
        if entry := sizes.get("pocket"):
            try:
                check_pocket(plm_of(family, entry, "pocket"))
                whole += 1
            except UserError:
                damaged.append(family)
    said = f"{', '.join(damaged)} missing or damaged" if damaged else f"all {whole} whole"
    yield Check("pocket PLMs", said, AGAIN if damaged else None, needed=True)


def _room() -> Iterator[Check]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from synthgen.plms.hardware import host_memory

    total, free = host_memory()
    said = f"{free:.0f} of {total:.0f} GB free"
    yield Check("memory", said, None if free > 2 else "close other programs: 2 GB are wanted", needed=True)
    here = shutil.disk_usage(".").free / 1e9
    yield Check("disk", f"{here:.0f} GB free here", None if here > 1 else "free at least 1 GB", needed=True)
    cache = Path(HF_HUB_CACHE)
    disk = next(folder for folder in (cache, *cache.parents) if folder.exists())
    left = shutil.disk_usage(disk).free / 1e9
    todo = f"a paper-sized PLM wants up to {ROOM:.0f} GB: free some, or let HF_HOME name a folder on a larger disk"
    shown = Path("~", cache.relative_to(Path.home())) if cache.is_relative_to(Path.home()) else cache
    yield Check("Hub cache", f"{left:.0f} GB free for {shown}", None if left > ROOM else todo)


def _gpus() -> Iterator[Check]:
    from synthgen.plms.hardware import driver, gpus

    installed, seen = driver(), gpus()
    for gpu in seen:
        said = f"{gpu.name}, {gpu.free:.0f} of {gpu.total:.0f} GB free, driver {installed or 'unknown'}"
        yield Check(f"GPU {gpu.index}", said)
    if seen:
        yield from _torch_on_gpu()
    elif installed and "CUDA_VISIBLE_DEVICES" in os.environ:
        said = f"hidden by CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']}"
        yield Check("GPU", said, "unset it, or let it name a GPU of `nvidia-smi -L`")
    elif shutil.which("nvidia-smi"):
        yield Check("GPU", "nvidia-smi reports none", "restart the machine, or install the NVIDIA driver again")
    else:
        todo = "the pocket profile needs none; paper sizes want one with 18 GB free, or a server (--endpoint)"
        yield Check("GPU", "none found", todo)


def _torch_on_gpu() -> Iterator[Check]:
    """Yield the one thing that keeps torch from a GPU that is there: a build without CUDA."""
    try:
        import torch
    except Exception:  # Said already, among the software.
        return
    if torch.version.cuda is None:
        yield Check("torch on the GPU", "torch is built for the CPU", "install torch's build for your CUDA version")


def _vllm() -> Iterator[Check]:
    from synthgen.plms.choose import INSTALL
    from synthgen.plms.engines.vllm.find import VARIABLE, vllm_python, vllm_version

    try:
        python = vllm_python()
    except UserError:
        said = f"{VARIABLE} names {os.environ[VARIABLE]}, which is no program"
        yield Check("vLLM", said, "let it name the python of vLLM's environment, or unset it")
        return
    if python is None:
        yield Check("vLLM", "absent", INSTALL)
        return
    through = f"through {VARIABLE}={os.environ[VARIABLE]}" if os.environ.get(VARIABLE) else "in this environment"
    if there := vllm_version(python):
        yield Check("vLLM", f"{there}, {through}")
    else:
        yield Check("vLLM", f"cannot be imported {through}", f"install vllm there, or change {VARIABLE}")


def _extras() -> Iterator[Check]:
    there = _version("sentence-transformers") if find_spec("sentence_transformers") else None
    todo = "pip install 'synthgen[embedding]' for --stm embedding:MODEL"
    yield Check("sentence-transformers", there or "absent", None if there else todo)


def _secrets() -> Iterator[Check]:
    """Names only: what a key or token is stays out of every output."""
    from huggingface_hub import get_token

    from synthgen.plms.engines.server.keys import KEYS

    token = get_token() is not None
    yield Check("Hub token", "found" if token else "none", None if token else "`hf auth login` for gated models")
    keys = [name for name in KEYS if os.environ.get(name, "").strip()]
    todo = f"hosted PLMs want {KEYS[1]}, servers that ask for a key {KEYS[0]}"
    yield Check("API keys", ", ".join(keys) or "none", None if keys else todo)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


LOOKS: tuple[Callable[[], Iterator[Check]], ...] = (_software, _pocket, _room, _gpus, _vllm, _extras, _secrets)
