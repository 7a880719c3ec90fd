"""vLLM on the nodes of a cluster, through ``ray.data.llm``: a replica of the PLM on each GPU, or on several.

Ray Data starts its replicas for a table and ends them with it, so every ``generate`` loads the PLM anew.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa

from synthgen.blocks import in_blocks
from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.prompts import Prompts, context_of
from synthgen.plms.engines.ray.cluster import Capacity, Stay, capacity, quieten
from synthgen.plms.engines.ray.stream import rows_of
from synthgen.plms.engines.vllm.flags import LONGEST_BY_DEFAULT, Slot, environment
from synthgen.records import Completion, Request, Sampling

BATCH = 64
"""Requests that a replica is handed at once; it has many such at work."""

_SAMPLING = {
    "temperature": pa.float64(),
    "top_p": pa.float64(),
    "max_tokens": pa.int64(),
    "stop": pa.list_(pa.string()),
    "include_stop_str_in_output": pa.bool_(),
    "seed": pa.int64(),
}
_REQUESTS = pa.schema(
    {"id": pa.string(), "tokens": pa.list_(pa.int32()), "sampling": pa.struct(list(_SAMPLING.items()))}
)


@dataclass(frozen=True, slots=True)
class Replicas:
    """``count`` replicas of a PLM with ``each`` so many GPUs; 0 where the cluster has none, and a CPU must do."""

    count: int
    each: int


class RayLlmEngine:
    """The engine over vLLM replicas. Prompts are cut to the context and tokenized here, as transformers does it.

    Requests carry their seeds, but vLLM promises no equal texts for equal seeds from batch to batch. Raises
    ``UserError`` where the nodes have no vLLM or too few GPUs, and what loading the tokenizer raises.
    """

    def __init__(self, plm: PLM, *, share: float, tell: Callable[[float], None]) -> None:
        self._plm = plm
        self._replicas = replicas(plm, capacity(), share)
        if not on_nodes(self._replicas, tell):
            raise UserError(
                f"{plm.name} wants vLLM, which the nodes of the cluster do not have; install synthgen[vllm] on them, "
                "or take --engine ray:transformers."
            )
        self._prompts, self._context = _prompts(plm)
        self._stay = Stay()

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Return the requests one by one, those that share a prompt, and so vLLM's cache of it, together."""
        return [[request] for request in sorted(requests, key=lambda request: (request.prompt, request.id))]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield completions as they come. Raises ``UserError`` for a prompt that is too long in any case."""
        import ray.data

        asked = {batch[0].id: batch[0] for batch in self.batches(requests)}
        if not asked:
            return
        sent = {name: self._prompts.sent(request) for name, request in asked.items()}
        blocks = [
            _table(some, [sent[request.id].tokens for request in some]) for some in in_blocks(asked.values(), BATCH)
        ]
        with self._stay.work():
            processor = _built(self._config())
            for row in rows_of(lambda: processor(ray.data.from_arrow(blocks))):
                if self._stay.over:
                    raise SynthgenError(f"{self._plm.name} was stopped at its work; go on with --resume.")
                yield _completion(row, asked[row["id"]], sent[row["id"]].dropped)

    def close(self) -> None:
        """Leave the cluster; a ``generate`` that is under way in another thread ends with its next completion."""
        self._stay.end()

    def _config(self) -> Any:
        from ray.data.llm import vLLMEngineProcessorConfig

        settings: dict[str, Any] = {
            "model_source": self._plm.location,
            "engine_kwargs": engine_settings(self._plm, self._replicas, self._context),
            "concurrency": self._replicas.count,
            "batch_size": BATCH,
            "chat_template_stage": False,
            "tokenize_stage": False,
            "detokenize_stage": False,
            "log_engine_metrics": False,
            "runtime_env": {"env_vars": environment(self._plm, Slot(), {})},
        }
        if not self._replicas.each:
            settings["placement_group_config"] = {"bundles": [{"CPU": 1}]}
        return vLLMEngineProcessorConfig(**settings)


def replicas(plm: PLM, found: Capacity, share: float) -> Replicas:
    """Return how many replicas ``plm`` gets in its share of the cluster. Raises ``UserError`` where it is none."""
    each = plm.serving.tensor_parallel_size or 1
    if not found.gpus:
        return Replicas(1, 0)
    if each > found.together:
        raise UserError(f"{plm.name} wants {each} GPUs of one node; the cluster's have {found.together:g} at most.")
    if not (count := int(found.gpus * share) // each):
        raise UserError(
            f"{plm.name} wants {each} GPUs and its share of the cluster's is {found.gpus * share:g}; give fewer PLMs "
            "at a time to --plms."
        )
    return Replicas(count, each)


def engine_settings(plm: PLM, place: Replicas, context: int | None) -> dict[str, Any]:
    """Return vLLM's engine arguments: the catalog's, then the user's."""
    serving = plm.serving
    on_disk = plm.model.startswith("pocket/") or Path(plm.model).is_dir()
    settings: dict[str, Any] = {
        "dtype": serving.dtype or plm.dtype,
        "max_model_len": serving.max_model_len or min(context or LONGEST_BY_DEFAULT, LONGEST_BY_DEFAULT),
        "quantization": serving.quantization,
        "revision": None if on_disk else serving.revision or plm.revision,
        "gpu_memory_utilization": serving.gpu_memory_utilization,
        "trust_remote_code": True if serving.trust_remote_code else None,
        "generation_config": "vllm",
        "tensor_parallel_size": max(1, place.each),
    }
    if not place.each:
        # See vllm/flags.py: vLLM on a CPU.
        settings |= {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": 8192}
        settings["gpu_memory_utilization"] = serving.gpu_memory_utilization or 0.3
    given = {
        name.lstrip("-").replace("-", "_"): value
        for flags in (plm.flags, serving.flags)
        for name, value in flags.items()
    }
    return {name: value for name, value in {**settings, **given}.items() if value is not None}


def on_nodes(place: Replicas, tell: Callable[[float], None]) -> bool:
    """Tell whether vLLM is installed where the replicas would be. ``tell`` hears the seconds until there is room."""
    import ray

    wanted: Any = {"num_gpus": place.each} if place.each else {"num_cpus": 1}
    began, asked = monotonic(), ray.remote(**wanted)(_has_vllm).remote()
    while not ray.wait([asked], timeout=1.0)[0]:
        tell(monotonic() - began)
    return bool(ray.get(asked))


def _has_vllm() -> bool:
    from importlib.util import find_spec

    return find_spec("vllm") is not None


def _prompts(plm: PLM) -> tuple[Prompts, int | None]:
    """Load the tokenizer and the model's configuration, not the model."""
    from transformers import AutoConfig, AutoTokenizer

    from synthgen.plms.engines.load_errors import explained

    source: dict[str, Any] = {"trust_remote_code": plm.serving.trust_remote_code}
    if revision := plm.serving.revision or plm.revision:
        source["revision"] = revision
    try:
        config = AutoConfig.from_pretrained(plm.location, **source)
        tokenizer = AutoTokenizer.from_pretrained(plm.location, **source)
    except Exception as error:
        raise explained(plm, error) from error
    if plm.template:
        tokenizer.chat_template = Path(plm.template).read_text(encoding="utf-8")
    context = context_of(plm, config)
    longest = min(context or LONGEST_BY_DEFAULT, plm.serving.max_model_len or LONGEST_BY_DEFAULT)
    readable = config.get_text_config().vocab_size
    return Prompts(plm, tokenizer, readable=readable, context=longest, room_for_text=True), context


def _table(requests: Sequence[Request], tokens: Sequence[Sequence[int]]) -> pa.Table:
    """Return requests as Ray Data passes them on: 4 bytes a token of a prompt."""
    rows = [
        {"id": request.id, "tokens": np.asarray(ids, dtype=np.int32), "sampling": _sampling(request)}
        for request, ids in zip(requests, tokens, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=_REQUESTS)


def _sampling(request: Request) -> dict[str, Any]:
    sampling: Sampling = request.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "stop": [sampling.stop] if sampling.stop else [],
        # The answers do not say why they ended; whether they hold the stop string does.
        "include_stop_str_in_output": True,
        "seed": request.seed,
    }


def _built(config: Any) -> Any:
    """Build the processor without a word: Ray tells, through loggers of many names, what it does."""
    from ray.data.llm import build_processor

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        return build_processor(config, preprocess=_preprocessed, postprocess=_postprocessed)
    finally:
        logging.disable(before)
        quieten()


def _preprocessed(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "tokenized_prompt": row["tokens"], "sampling_params": row["sampling"]}


def _postprocessed(row: dict[str, Any]) -> dict[str, Any]:
    kept = {"id": "id", "text": "generated_text", "read": "num_input_tokens", "wrote": "num_generated_tokens"}
    return {name: row[column] for name, column in kept.items()}


def _completion(row: dict[str, Any], request: Request, dropped: int) -> Completion:
    stop, text, wrote = request.sampling.stop, str(row["text"]), int(row["wrote"])
    ended = bool(stop) and stop in text
    return Completion(
        request=request.id,
        text=text[: text.index(stop)] if ended else text,
        finish="stop" if ended or wrote < request.sampling.max_tokens else "length",
        prompt_tokens=int(row["read"]),
        completion_tokens=wrote,
        dropped=dropped,
    )
