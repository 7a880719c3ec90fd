"""``tasks``, ``plms``, ``doctor``: what there is and what this machine can run."""

import os
import shutil
import sys
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from synthgen.plms.catalog import catalog, pocket_folder
from synthgen.tasks.registry import load_task, task_names


def tasks() -> None:
    """List the tasks with their labels and gold data."""
    table = Table("task", "about", "labels", "gold")
    for name in task_names():
        task = load_task(name)
        labels = ", ".join(task.labels[:6]) + (f", … ({len(task.labels)})" if len(task.labels) > 6 else "")
        table.add_row(name, task.about, labels, f"{task.gold.hub} ({task.gold.split})" if task.gold else "")
    Console().print(table)


def plms() -> None:
    """List the PLM families and sizes, and what this machine can run."""
    memory = _memory()
    table = Table("PLM", "model", "architecture", "licence", "needs", "runs here")
    for family, sizes in catalog().items():
        for size, entry in sizes.items():
            if entry.unsupported:
                verdict = f"no: {entry.unsupported}"
            elif entry.memory > memory:
                verdict = f"no: {memory:.0f} GB of memory"
            elif size == "pocket":
                verdict = "yes" if (pocket_folder(entry.model) / "config.json").is_file() else "no: not installed"
            else:
                verdict = "yes, once downloaded" + (" (ask for access first)" if entry.gated else "")
            table.add_row(
                f"{family}:{size}", entry.model, entry.architecture, entry.license, f"{entry.memory:g} GB", verdict
            )
    Console().print(table)


def doctor() -> None:
    """Check this machine; every failing line says what to do. Exits 1 where the pocket profile could not run."""
    console = Console()
    failed = False
    for name, ok, detail, needed in _checks():
        mark = "[green]ok[/]  " if ok else ("[red]fail[/]" if needed else "[yellow]no[/]  ")
        console.print(f"{mark} {name}: {detail}", soft_wrap=True, highlight=False)
        failed = failed or (needed and not ok)
    if failed:
        sys.exit(1)


def _checks() -> list[tuple[str, bool, str, bool]]:
    """Return (name, passed, what was found or what to do, whether the pocket profile needs it)."""
    import torch
    from huggingface_hub import get_token

    gpu = torch.cuda.is_available()
    free = shutil.disk_usage(".").free / 1e9
    models = [family for family in catalog() if (pocket_folder(f"pocket/{family}") / "model.safetensors").is_file()]
    whole = len(models) == len(catalog())
    vllm, encoders = find_spec("vllm") is not None, find_spec("sentence_transformers") is not None
    device = torch.cuda.get_device_name() if gpu else "none; the pocket profile runs without, paper sizes want one"
    extra = "absent; pip install 'synthgen\\[{}]' {}"
    memory = _memory()
    return [
        ("pocket PLMs", whole, f"{len(models)} of {len(catalog())}{'' if whole else '; install synthgen again'}", True),
        ("disk", free > 1, f"{free:.0f} GB free here{'' if free > 1 else '; free at least 1 GB'}", True),
        ("memory", memory > 2, f"{memory:.0f} GB{'' if memory > 2 else '; close other programs'}", True),
        ("torch", True, torch.__version__, True),
        ("GPU", gpu, device, False),
        ("vLLM", vllm, "installed" if vllm else extra.format("vllm", "on a GPU machine"), False),
        (
            "sentence-transformers",
            encoders,
            "installed" if encoders else extra.format("embedding", "for --stm embedding:MODEL"),
            False,
        ),
        ("Hub token", bool(get_token()), "found" if get_token() else "none; `hf auth login` for gated models", False),
    ]


def _memory() -> float:
    """Return the largest memory a PLM could use, in gigabytes: the GPU's, else the machine's."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[1]) / 1e9
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
