"""Load a model and its tokenizer with the Auto classes."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.devices import dtype_of, place
from synthgen.plms.engines.load_errors import explained
from synthgen.plms.engines.memory import free_gpu_memory, free_main_memory
from synthgen.tasks.gold_hub import hub_reachable

_log = logging.getLogger(__name__)


def load(plm: PLM, note: Callable[[str], None]) -> tuple[Any, Any]:
    """Return the model, ready to generate on its device, and the tokenizer with the template that ``plm`` asks for.

    Raises ``UserError`` where the model is missing, gated, damaged or too large, ``SynthgenError`` where the Hub or
    the disk fails on the way; each says so in one sentence.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if plm.serving.quantization:
        note(f"{plm.name} is run without quantization: serving.{plm.name}.quantization is for vLLM.")
    try:
        model, tokenizer = _loaded(plm, note)
    except SynthgenError:
        raise
    except Exception as error:
        # Every layer below has its own exceptions for the same few causes: absent, gated, offline, damaged.
        _log.debug("loading %s failed", plm.model, exc_info=True)
        raise explained(plm, error) from error
    if plm.template:
        tokenizer.chat_template = _template(plm, plm.template)
    return model, tokenizer


def _loaded(plm: PLM, note: Callable[[str], None]) -> tuple[Any, Any]:
    source: dict[str, Any] = {"trust_remote_code": plm.serving.trust_remote_code}
    if revision := plm.serving.revision or plm.revision:
        source["revision"] = revision
    if not Path(plm.location).is_dir() and not hub_reachable():
        # The Hub's own client would try again for half a minute, a file at a time.
        source["local_files_only"] = True
    config = AutoConfig.from_pretrained(plm.location, **source)
    tokenizer = AutoTokenizer.from_pretrained(plm.location, **source)
    loader = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model, found = loader.from_pretrained(
        plm.location, config=config, output_loading_info=True, **_placed(plm, loader, config, note), **source
    )
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, {missing[0]} among them")
    return model.eval(), tokenizer


def _placed(plm: PLM, loader: Any, config: Any, note: Callable[[str], None]) -> dict[str, Any]:
    """Return where to load to and in which format, as arguments of ``from_pretrained``."""
    free = free_gpu_memory()
    dtype = dtype_of(plm, gpu=bool(free), bfloat16=bool(free) and torch.cuda.is_bf16_supported(False))
    placement = place(plm, _size(loader, config, dtype), free, free_main_memory(), note)
    return {"dtype": dtype, "device_map": placement.device_map, "max_memory": placement.max_memory}


def _size(loader: Any, config: Any, dtype: torch.dtype) -> int | None:
    """Return the bytes of the weights, None where only loading can tell."""
    if getattr(config, "quantization_config", None) or getattr(config, "auto_map", None):
        return None
    with torch.device("meta"):
        count: int = sum(weight.numel() for weight in loader.from_config(config).parameters())
    return count * int(dtype.itemsize)


def _template(plm: PLM, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The chat template {path} of {plm.name} cannot be read ({error}).") from error
