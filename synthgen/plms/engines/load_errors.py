"""Why a model could not be loaded, in one sentence."""

import errno
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import CONFIG_MAPPING, PreTrainedConfig

from synthgen.errors import SynthgenError, UserError, causes
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.memory import out_of_memory

Kind = TypeVar("Kind", bound=BaseException)


def explained(plm: PLM, error: BaseException) -> SynthgenError:
    """Return the error to raise instead of what loading ``plm`` raised."""
    chain = list(causes(error))
    if any(out_of_memory(one) for one in chain):
        return UserError(
            f"Memory was used up while {plm.name} was loaded; choose a smaller PLM, or a smaller format with "
            f"--set serving.{plm.name}.dtype=bfloat16."
        )
    if any(isinstance(one, OSError) and one.errno in {errno.ENOSPC, errno.EDQUOT} for one in chain):
        return SynthgenError(f"The disk is full, so {plm.model} could not be downloaded; make room and try again.")
    if not Path(plm.location).is_dir() and (said := _hub(plm, chain)):
        return said
    return UserError(_model(plm, chain))


def _hub(plm: PLM, chain: list[BaseException]) -> SynthgenError | None:
    """Return what the Hub, or its absence, has to say."""
    if _first(chain, GatedRepoError):
        return UserError(
            f"{plm.model} is gated: ask for access on its page, https://huggingface.co/{plm.model}, then run "
            "`hf auth login`."
        )
    if _first(chain, RepositoryNotFoundError):
        return UserError(
            f"There is no model {plm.model} on the Hugging Face Hub that you may see; check its name, or run "
            "`hf auth login` if it is private."
        )
    if _first(chain, RevisionNotFoundError):
        return UserError(f"{plm.model} has no revision {plm.serving.revision or plm.revision}; see its page.")
    if _first(chain, HFValidationError):
        return UserError(f"{plm.model!r} cannot be the name of a model on the Hugging Face Hub.")
    answer = _first(chain, HfHubHTTPError)
    if answer and answer.response.status_code != 404:
        status = answer.response.status_code
        if status in {401, 403}:
            return UserError(
                f"The Hugging Face Hub does not let you see {plm.model} (status {status}); check its name, and your "
                "token with `hf auth login`."
            )
        return SynthgenError(f"The Hugging Face Hub answers {status} for {plm.model}; try again later.")
    if _first(chain, OfflineModeIsEnabled) or _first(chain, LocalEntryNotFoundError):
        return UserError(
            f"{plm.model} is not on this machine and the Hugging Face Hub cannot be reached; download it first with "
            f"`hf download {plm.model}`, or give a model folder."
        )
    return None


def _model(plm: PLM, chain: list[BaseException]) -> str:
    """Return what is wrong with the files."""
    raw = _raw_config(plm)
    whose = f"The PLM {plm.model}" if not Path(plm.location).is_dir() else f"The model folder of {plm.name}"
    known = raw.get("model_type") in CONFIG_MAPPING
    if raw.get("auto_map") and not known and not plm.serving.trust_remote_code:
        return (
            f"{whose} brings Python code of its own; if you trust its authors, allow it with "
            f"--set serving.{plm.name}.trust_remote_code=true."
        )
    if package := _first(chain, ImportError):
        return f"{whose} could not be loaded for want of a Python package ({_reason(package)})."
    reason = _reason(chain[0])
    if plm.size == "pocket":
        return f"The bundled model {plm.model} is damaged ({reason}); install synthgen again."
    if raw.get("model_type") and not known:
        return f"{whose} could not be loaded: this version of transformers does not know a {raw['model_type']}."
    return f"{whose} could not be loaded ({reason}); its files are damaged, or it is no language model."


def _raw_config(plm: PLM) -> dict[str, Any]:
    revision = plm.serving.revision or plm.revision
    try:
        return dict(PreTrainedConfig.get_config_dict(plm.location, revision=revision or "main")[0])
    except (OSError, ValueError):
        return {}


def _reason(error: BaseException) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")


def _first(chain: list[BaseException], kind: type[Kind]) -> Kind | None:
    return next((one for one in chain if isinstance(one, kind)), None)
