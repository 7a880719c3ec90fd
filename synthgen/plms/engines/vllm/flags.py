"""How vLLM is asked to serve a PLM: its command line and its environment."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM

LAUNCHER = Path(__file__).with_name("launch.py")

# A 128k context makes vLLM refuse to start where its cache for one such sequence does not fit beside the weights, and
# the texts written here, demonstrations included, are far shorter.
LONGEST_BY_DEFAULT = 8192

_OURS = frozenset({"model", "served-model-name", "host", "port", "uds", "api-key", "ssl-keyfile", "ssl-certfile"})


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a PLM runs: positions among the visible GPUs (none: the CPU) and the share of each one's memory.

    ``share`` is None where vLLM's own default is wanted.
    """

    gpus: tuple[int, ...] = ()
    share: float | None = None
    tensor_parallel_size: int = 1


def command(plm: PLM, *, python: str, port: int, slot: Slot) -> list[str]:
    """Return the command that serves ``plm`` on 127.0.0.1. What the user set wins over the catalog and the slot.

    Raises ``UserError`` for a flag that only synthgen may set and for a value that no flag can carry.
    """
    flags = {**_defaults(plm, slot), **_sampling(), **dict(_given(plm.flags)), **dict(_given(plm.serving.flags))}
    written = (token for name, value in flags.items() for token in _written(name, value))
    address = ["--host=127.0.0.1", f"--port={port}", f"--served-model-name={plm.name}"]
    return [python, str(LAUNCHER), plm.location, *address, *written]


def environment(plm: PLM, slot: Slot, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of that command: ``base`` without anybody's API keys, then what the user set.

    ``slot.gpus`` count among the GPUs that ``base`` leaves visible. ``HF_TOKEN`` stays: gated models need it.
    """
    ours = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if slot.gpus:
        ours["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi counts them
        visible = [each.strip() for each in base.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
        ours["CUDA_VISIBLE_DEVICES"] = ",".join(visible[gpu] if visible else str(gpu) for gpu in slot.gpus)
        if plm.serving.keep_warm:
            ours["VLLM_SERVER_DEV_MODE"] = "1"  # or /sleep and /wake_up are not served
    elif "VLLM_CPU_KVCACHE_SPACE" not in base:
        ours["VLLM_CPU_KVCACHE_SPACE"] = "1"
    if _on_disk(plm):
        ours["HF_HUB_OFFLINE"] = "1"
    if plm.remote_code:
        ours["SYNTHGEN_OLD_TOKENIZER"] = "1"
    together = {**base, **ours, **plm.serving.environment}
    # VLLM_API_KEY among them: with it vLLM would refuse our own requests.
    return {name: value for name, value in together.items() if not name.upper().endswith("_API_KEY")}


def _defaults(plm: PLM, slot: Slot) -> dict[str, Any]:
    """Return flag -> value as PLM, settings and slot say; None leaves the flag out."""
    serving, parallel = plm.serving, plm.serving.tensor_parallel_size or slot.tensor_parallel_size
    share, revision = serving.gpu_memory_utilization or slot.share, None if _on_disk(plm) else plm.revision
    whole = not slot.gpus and plm.context is not None
    return {
        "revision": revision,
        "tokenizer-revision": revision,
        "dtype": serving.dtype or plm.dtype,
        "max-model-len": _length(plm),
        "quantization": serving.quantization,
        "tensor-parallel-size": parallel if parallel > 1 else None,
        # On the CPU the share is of a memory node, which the machine's other work is in as well.
        "gpu-memory-utilization": share or (None if slot.gpus else 0.3),
        "trust-remote-code": True if serving.trust_remote_code else None,
        "chat-template": plm.template,
        "enable-sleep-mode": True if serving.keep_warm and slot.gpus else None,
        # Compiling takes longer than it saves on a CPU: a minute for models that write for seconds.
        "enforce-eager": None if slot.gpus else True,
        # vLLM on a CPU dies of a request with a seed whose prompt it reads in two parts ("CPU Generator does not use
        # offset"): no prompt is cut.
        "enable-chunked-prefill": False if whole else None,
        "max-num-batched-tokens": max(4096, plm.context or 0) if whole else None,
        "enable-prompt-tokens-details": True,
        "disable-uvicorn-access-log": True,
    }


def _sampling() -> dict[str, Any]:
    """Return the flags by which a request alone says how it is sampled, and not the model's generation_config.json."""
    return {"generation-config": "vllm"}


def _length(plm: PLM) -> int | None:
    """Return the longest sequence to serve; None is the model's own, -1 as much of it as fits in memory."""
    if plm.serving.max_model_len is not None:
        return plm.serving.max_model_len
    if plm.context is None:
        # vLLM refuses -1 for models that state no length; those of the catalog are known, and theirs is left alone.
        return -1 if plm.size in {"hub", "local"} else None
    return LONGEST_BY_DEFAULT if plm.context > LONGEST_BY_DEFAULT else None


def _on_disk(plm: PLM) -> bool:
    return plm.model.startswith("pocket/") or Path(plm.model).is_dir()


def _given(flags: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield flags under one spelling: dashes, and ``no-x`` as the negative of ``x``."""
    for key, value in flags.items():
        name = key.lstrip("-").replace("_", "-")
        if name in _OURS:
            raise UserError(f"vLLM's --{name} is synthgen's to set; take {key!r} out of the flags.")
        if name.startswith("no-") and isinstance(value, bool):
            name, value = name.removeprefix("no-"), not value
        yield name, value


def _written(name: str, value: Any) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
        case str() | int() | float():
            return [f"--{name}={value}"]
        case Mapping():
            return [f"--{name}={json.dumps(value)}"]
        case [_, *_]:
            return [f"--{name}", *map(str, value)]
    raise UserError(f"vLLM's --{name} cannot be {value!r}; give text, a number, true, false, a list or a mapping.")
