"""Which engine runs a PLM on this machine, and why not another."""

from dataclasses import dataclass

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, POOL
from synthgen.plms.engines import ENGINES
from synthgen.plms.engines.vllm.find import VARIABLE, vllm_python
from synthgen.text import nearest

INSTALL = (
    f"pip install 'synthgen[vllm]' on a GPU machine, or point {VARIABLE} to the python of an environment with vLLM"
)


FOR_SERVERS = {"chat", "choices", "in_flight", "timeout"}
"""Settings that count for a PLM behind somebody's server."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine, and a sentence where it is not the one a user would expect."""

    engine: str
    why: str | None = None


def choose_engine(plm: PLM, wanted: str, *, gpu: bool) -> Chosen:
    """Return the engine for ``plm`` when the user wants ``wanted``, auto or one of ``ENGINES``.

    ``auto`` takes a PLM's servers where it has any, vLLM where there is a GPU, transformers elsewhere. Encoder-decoders
    go through transformers in any case; a PLM behind a server needs no cluster. Raises ``UserError`` where the engine
    cannot run this PLM or is not here.
    """
    if wanted != "auto" and wanted not in ENGINES:
        raise UserError(f"There is no engine {wanted!r}{nearest(wanted, ['auto', *ENGINES])}")
    if wanted != "auto" and ENGINES[wanted].any_plm:
        return Chosen(wanted)
    if plm.size == POOL:
        return Chosen(POOL)
    if plm.urls:
        return Chosen("server", _idle_settings(plm, wanted))
    if wanted == "server":
        raise UserError(f"{plm.name} has no server; give --endpoint URL or --plms {plm.name}=URL.")
    if plm.remote_code and not plm.serving.trust_remote_code:
        raise UserError(
            f"{plm.model} runs code from its repository; if you trust it, add "
            f"--set serving.{plm.name}.trust_remote_code=true."
        )
    if wanted != "auto" and ENGINES[wanted].inner:
        return _on_cluster(plm, wanted)
    if plm.engine == "transformers":
        expected = wanted == "vllm" or (wanted == "auto" and gpu and plm.size != "pocket" and bool(vllm_python()))
        why = f"{plm.name} runs through transformers: vLLM does not serve encoder-decoders." if expected else None
        return Chosen("transformers", why)
    if wanted == "transformers":
        if plm.engine == "vllm":
            raise UserError(f"{plm.model} runs through vLLM only; take --engine auto, or leave {plm.name} out.")
        return Chosen("transformers")
    return _with_vllm(plm, wanted, gpu=gpu)


def _on_cluster(plm: PLM, wanted: str) -> Chosen:
    """Leave to a cluster's engine what is to run a PLM there, but for PLMs that only one engine can run."""
    inner = ENGINES[wanted].inner
    if plm.engine == "transformers":
        why = f"{plm.name} runs through transformers: vLLM does not serve encoder-decoders."
        return Chosen("ray:transformers", why if inner == "vllm" else None)
    if plm.size == "pocket" and inner == "auto":
        return Chosen("ray:transformers")
    if plm.engine == "vllm" and inner == "transformers":
        raise UserError(f"{plm.model} runs through vLLM only; take --engine ray, or leave {plm.name} out.")
    return Chosen("ray:vllm" if plm.engine == "vllm" else wanted)


def _with_vllm(plm: PLM, wanted: str, *, gpu: bool) -> Chosen:
    if wanted == "vllm" or plm.engine == "vllm":
        if vllm_python() is None:
            raise UserError(f"{plm.name} wants vLLM, which is not installed; {INSTALL}.")
        return Chosen("vllm")
    if gpu and plm.size != "pocket":
        if vllm_python() is not None:
            return Chosen("vllm")
        return Chosen("transformers", f"{plm.name} runs through transformers, slowly; for vLLM, {INSTALL}.")
    return Chosen("transformers")


def _idle_settings(plm: PLM, wanted: str) -> str | None:
    """Return what does nothing for a PLM behind a server, in a sentence; None where that is nothing."""
    idle = sorted(plm.serving.model_fields_set - FOR_SERVERS)
    if wanted not in {"auto", "server"}:
        idle.insert(0, f"--engine {wanted}")
    return f"{plm.name} is behind a server: {', '.join(idle)} does nothing for it." if idle else None
