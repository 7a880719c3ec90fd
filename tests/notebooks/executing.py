"""Execute a notebook from nothing, with a real kernel of the Python that runs the tests."""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

PATIENCE = 1800
_NAME = "of-the-tests"


def execute(path: Path, *, cwd: Path, home: Path, runs: Path) -> Any:
    """Return the notebook with its outputs. ``cwd`` is where the kernel starts; ``home`` takes all of Jupyter's files.

    The first cell that fails raises nbclient's ``CellExecutionError``.
    """
    notebook = nbformat.read(path, as_version=4)
    kernel = home / "kernels" / _NAME
    kernel.mkdir(parents=True)
    # Without frozen modules the debugger has nothing to warn of.
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": _NAME, "language": "python"}))
    # In a process of pytest's the kernel would not pass on what is written to stderr past Python.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    environment |= {"IPYTHONDIR": str(home), "HF_HUB_OFFLINE": "1", "SYNTHGEN_NOTEBOOK_RUNS": str(runs)}
    # Sockets that are files, in a folder of their own as their paths must be short: nobody else can talk to the kernel.
    with TemporaryDirectory() as sockets:
        manager = AsyncKernelManager(
            kernel_name=_NAME,
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(home / "kernels")], ensure_native_kernel=False),
            transport="ipc",
            connection_file=str(Path(sockets) / "kernel.json"),
            # A kernel that is slow to end is waited for: of itself the manager forgets it after five seconds.
            shutdown_wait_time=float(PATIENCE),
        )
        client = NotebookClient(notebook, km=manager, timeout=PATIENCE, resources={"metadata": {"path": str(cwd)}})
        # Of itself nbclient leaves a kernel whose manager it was given running.
        asyncio.run(client.async_execute(env=environment, cleanup_kc=True))
    return notebook


def outputs(notebook: Any) -> list[tuple[int, Any]]:
    """Return every output with the number of its cell."""
    return [(k, output) for k, cell in enumerate(notebook.cells) for output in cell.get("outputs", ())]


def complaints(notebook: Any) -> list[str]:
    """Return what was written to stderr, and by which cell."""
    streams = [(k, one) for k, one in outputs(notebook) if one.output_type == "stream" and one.name == "stderr"]
    return [f"cell {k}: {one.text}" for k, one in streams]


def pictures(notebook: Any) -> list[bytes]:
    """Return the PNG files that are displayed."""
    found = [one.data["image/png"] for _, one in outputs(notebook) if "image/png" in one.get("data", ())]
    return [base64.b64decode(picture) for picture in found]
