"""Why an encoder could not be loaded, in one sentence."""

import errno
from pathlib import Path

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from synthgen.errors import SynthgenError, UserError, causes
from synthgen.plms.engines.memory import out_of_memory


def refusal(model: str, error: Exception) -> SynthgenError:
    """Return the error to raise instead of what loading the Hub id or folder ``model`` raised."""
    chain = list(causes(error))
    if any(out_of_memory(one) for one in chain):
        return UserError(f"Memory was used up while encoder {model!r} was loaded; choose a smaller one.")
    if any(isinstance(one, OSError) and one.errno in {errno.ENOSPC, errno.EDQUOT} for one in chain):
        return SynthgenError(f"The disk is full, so encoder {model!r} could not be loaded; make room and try again.")
    if not Path(model).is_dir() and (said := _hub(model, chain)):
        return said
    if "trust_remote_code" in str(error):
        return UserError(f"Encoder {model!r} brings Python code of its own, which is not run; choose another.")
    if "does not recognize this architecture" in str(error):
        return UserError(f"Encoder {model!r} is of a kind that this version of transformers does not know.")
    reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return UserError(f"Encoder {model!r} cannot be loaded ({reason}); its files are damaged or incomplete.")


def _hub(model: str, chain: list[BaseException]) -> SynthgenError | None:
    kinds = {kind for one in chain for kind in type(one).__mro__}
    page = f"https://huggingface.co/{model}"
    if GatedRepoError in kinds:
        return UserError(f"Encoder {model} is gated: ask for access on its page, {page}, then run `hf auth login`.")
    if RepositoryNotFoundError in kinds:
        return UserError(
            f"There is no model {model} on the Hugging Face Hub that you may see, and no such folder; check its name, "
            "or run `hf auth login` if it is private."
        )
    if HFValidationError in kinds:
        return UserError(f"There is no folder {model!r}, and it cannot be the name of a model on the Hugging Face Hub.")
    if OfflineModeIsEnabled in kinds or LocalEntryNotFoundError in kinds:
        return UserError(
            f"There is no folder {model!r}; as a model of the Hugging Face Hub it is not on this machine, and the Hub "
            f"cannot be reached: download it first with `hf download {model}`, or take another STM (--stm tfidf)."
        )
    answer = next((one for one in chain if isinstance(one, HfHubHTTPError)), None)
    if answer and answer.response.status_code != 404:
        return SynthgenError(
            f"The Hugging Face Hub answers {answer.response.status_code} for {model}; try again later."
        )
    return None
