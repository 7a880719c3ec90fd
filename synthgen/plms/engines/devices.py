"""Where a model's weights go, and in which number format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.memory import gigabytes

HEADROOM = 1.2
"""A GPU is taken to hold a model where its weights, times this, are free on it."""

_DTYPES = {
    "float32": torch.float32,
    "float": torch.float32,
    "float16": torch.float16,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True, slots=True)
class Placement:
    """``device_map`` and ``max_memory`` (bytes a device) as ``from_pretrained`` takes them."""

    device_map: str | dict[str, Any]
    max_memory: dict[int | str, int] | None = None


def dtype_of(plm: PLM, *, gpu: bool, bfloat16: bool = True) -> torch.dtype:
    """Return the format of the weights: on a CPU float32 unless the user says otherwise, on a GPU what the catalog
    says or 16 bits; ``bfloat16`` says whether the GPU can.

    Raises ``UserError`` for a format that does not exist.
    """
    asked = plm.serving.dtype or "auto"
    if asked != "auto" and asked not in _DTYPES:
        raise UserError(
            f"serving.{plm.name}.dtype is {asked!r}; in this process it can be auto, float32, float16 or bfloat16."
        )
    if not gpu:
        return _DTYPES.get(asked, torch.float32)
    wanted = _DTYPES.get(plm.dtype if asked == "auto" else asked, torch.bfloat16)
    return torch.float16 if wanted == torch.bfloat16 and not bfloat16 else wanted


def place(plm: PLM, weights: int | None, free: Mapping[int, int], main: int, note: Callable[[str], None]) -> Placement:
    """Choose the roomiest GPU where the ``weights`` fit it, else all that are needed, else the CPU.

    ``weights`` (None where unknown), the ``free`` memory of each GPU and of the ``main`` memory are in bytes. Raises
    ``UserError`` with the figures where nothing can hold the weights.
    """
    if not free:
        if weights and weights > main:
            raise UserError(_does_not_fit(plm, weights, f"{gigabytes(main)} of main memory are"))
        return Placement({"": "cpu"})
    share = min(plm.serving.tensor_parallel_size or 1, len(free))
    roomiest = sorted(free, key=lambda gpu: (-free[gpu], gpu))
    if share == 1 and (weights is None or weights * HEADROOM <= free[roomiest[0]]):
        return Placement({"": roomiest[0]})
    used: dict[int | str, int] = {gpu: int(free[gpu] / HEADROOM) for gpu in roomiest[: share if share > 1 else None]}
    together = sum(used.values())
    if weights and weights > together + main:
        room = f"{gigabytes(sum(free.values()))} of GPU memory and {gigabytes(main)} of main memory are"
        raise UserError(_does_not_fit(plm, weights, room))
    if weights and weights > together:
        note(f"{plm.name} does not fit the GPU memory; part of it stays in main memory, which is slow.")
    return Placement("auto", {**used, "cpu": main})


def _does_not_fit(plm: PLM, weights: int, room: str) -> str:
    return (
        f"{plm.name} needs {gigabytes(weights)} for its weights, and {room} free; choose a smaller PLM, or a smaller "
        f"format with --set serving.{plm.name}.dtype=bfloat16."
    )
