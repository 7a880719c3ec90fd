"""Where vLLM is. It may live in an environment of its own: its versions of torch and transformers are its choice."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

from synthgen.errors import UserError

VARIABLE = "SYNTHGEN_VLLM_PYTHON"

# Loads _version.py alone: importing the package would load torch. Builds that lack the file are asked for by the
# distribution that owns the package, whose name need not be "vllm".
_ASK = """
import importlib.metadata, importlib.util, pathlib, runpy
spec = importlib.util.find_spec("vllm")
if spec is not None and spec.origin is not None:
    file = pathlib.Path(spec.origin).with_name("_version.py")
    if file.is_file():
        print(runpy.run_path(str(file))["__version__"])
    else:
        owners = importlib.metadata.packages_distributions().get("vllm", ())
        print(importlib.metadata.version(owners[0]) if owners else "unknown")
"""


def vllm_python() -> str | None:
    """Return the interpreter that can import vLLM, or None: ``$SYNTHGEN_VLLM_PYTHON``, else this one.

    Raises ``UserError`` where the variable names no program.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(os.path.expanduser(named)):  # noqa: PTH111 (a bare name is looked up on PATH)
            return found
        raise UserError(f"{VARIABLE} names {named}, which is no program; give the python of vLLM's environment.")
    spec = find_spec("vllm")
    return sys.executable if spec is not None and spec.origin is not None else None


def vllm_version(python: str, timeout: float = 30) -> str | None:
    """Return the version of vLLM that ``python`` would import, "unknown" where a build does not say, or None.

    None as well where the interpreter cannot be run or has not answered after ``timeout`` seconds.
    """
    try:
        asked = subprocess.run(
            [python, "-c", _ASK], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None
