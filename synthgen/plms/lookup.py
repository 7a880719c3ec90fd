"""Look a PLM up before it is loaded: is it there, may we have it, how large is it, how long are its prompts."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.pocket import check_pocket

SECONDS = 10.0
"""How long the Hub may be silent before only what is in its cache here is looked at."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "fp32": 4, "fp16": 2, "bf16": 2, "half": 2, "float": 4}
_WEIGHTS = (r"model(-\d+-of-\d+)?\.safetensors", r".+\.safetensors", r"pytorch_model(-\d+-of-\d+)?\.bin", r".+\.bin")
_OTHERWISE = "check the network, or use a pocket PLM (--profile pocket)"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def look_up(plm: PLM) -> PLM:
    """Return a PLM of a folder or of the Hub with what its configuration says of engine, context and memory.

    Raises ``UserError`` where the model does not exist, may not be had, or is not whole. Only small files
    are fetched. Memory is that of 16-bit weights, or of the format the user wants. A model of the Hub gets the commit
    it was found at as its revision.
    """
    if plm.model.startswith("pocket/"):
        return check_pocket(plm)
    folder = Path(plm.model)
    if not folder.is_dir():
        return _from_hub(plm)
    config, size = _configuration(plm, folder), _weights_in(folder)
    if size is None:
        raise UserError(f"The folder of {plm.name} is not whole: it has a config.json, but no weights (*.safetensors).")
    return _completed(plm, config, size)


def _completed(plm: PLM, config: Mapping[str, Any], size: int | None) -> PLM:
    text = config.get("text_config")
    # What a model with eyes or ears says of itself as a whole counts first; its text part says how long texts may be.
    parts: list[Mapping[str, Any]] = [config, text] if isinstance(text, Mapping) else [config]
    changed: dict[str, Any] = {}
    if plm.engine == "auto" and any(part.get("is_encoder_decoder") for part in parts):
        changed["engine"] = "transformers"
    if plm.context is None and "transformers" not in {plm.engine, changed.get("engine")}:
        stated = (part.get(name) for part in reversed(parts) for name in _CONTEXT)
        changed["context"] = next((length for length in stated if isinstance(length, int) and length > 0), None)
    if plm.architecture is None and isinstance(named := config.get("architectures"), list) and named:
        changed["architecture"] = str(named[0])
    if plm.memory is None and size:
        stored = next((str(part[key]) for part in parts for key in ("dtype", "torch_dtype") if part.get(key)), "")
        halved = size * 2 / BYTES.get(stored, 4)
        # Room for activations and for the keys and values of a few thousand tokens.
        memory = halved / 1e9 * 1.15 + min(2.0, size / 1e9)
        changed["memory"] = round(memory * BYTES.get(plm.serving.dtype or "", 2) / 2, 2)
    return replace(plm, **changed)


def _configuration(plm: PLM, folder: Path) -> dict[str, Any]:
    try:
        loaded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"The folder of {plm.name} holds no model: it has no config.json.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The config.json of {plm.name} cannot be read ({' '.join(str(error).split())}).") from None
    if not isinstance(loaded, dict):
        raise UserError(f"The config.json of {plm.name} is not a model's configuration.")
    return loaded


def _from_hub(plm: PLM) -> PLM:
    import huggingface_hub as hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    source: dict[str, Any] = {"filename": "config.json", "revision": plm.revision}
    with _quiet():
        refusal = _refusal(plm)
        try:
            path = Path(hub.hf_hub_download(plm.model, **source, local_files_only=refusal is not None))
        except (LocalEntryNotFoundError, OSError, ValueError) as error:
            raise UserError(_explained(plm, refusal or error)) from None
        config = _configuration(plm, path.parent)
        size = (None if refusal else _size_on_hub(plm)) or _weights_in(path.parent)
    commit = path.parent.name if _COMMIT.fullmatch(path.parent.name) else plm.revision
    return replace(_completed(plm, config, size), revision=commit)


def _refusal(plm: PLM) -> Exception | None:
    """Ask the Hub for the model's configuration, once; return what it answers where it does not give it."""
    import httpx2
    import huggingface_hub as hub

    try:
        url = hub.hf_hub_url(plm.model, "config.json", revision=plm.revision)
        hub.get_hf_file_metadata(url, timeout=SECONDS)
    # OSError: told to do without the network, or no Hub answers there; ValueError: an id that cannot be one.
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return error
    return None


def _explained(plm: PLM, error: Exception) -> str:
    from huggingface_hub import errors

    name = f"{plm.model}@{plm.revision}" if plm.revision else plm.model
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    said = f"it answers {status}" if status else " ".join(str(error).split())[:160] or type(error).__name__
    match error:
        case errors.GatedRepoError():
            return f"{name} is gated: ask for access on its Hub page, then `hf auth login` (or set HF_TOKEN)."
        case errors.RevisionNotFoundError():
            return f"The Hub has {plm.model}, but no revision {plm.revision!r} of it."
        case errors.RepositoryNotFoundError():
            return f"There is no model {name} on the Hub, or it is private; check the name, or `hf auth login`."
        case errors.RemoteEntryNotFoundError():
            return f"{name} is no model that can be loaded: it has no config.json."
        case errors.HFValidationError():
            return f"{plm.model!r} cannot be a model of the Hub ({said}); check the name."
        case errors.OfflineModeIsEnabled():
            return f"{name} was never downloaded here, and HF_HUB_OFFLINE is set; {_OTHERWISE}."
        case _ if status in {401, 403}:
            return f"The Hub refuses {name} ({said}); check your token with `hf auth whoami`."
    return f"The Hub cannot be reached and {name} was never downloaded here ({said}); {_OTHERWISE}."


def _size_on_hub(plm: PLM) -> int | None:
    import huggingface_hub as hub

    try:
        info = hub.HfApi().model_info(plm.model, revision=plm.revision, files_metadata=True, timeout=SECONDS)
    except Exception:  # Its size is a convenience: whatever is wrong, loading says it better.
        return None
    return _weights((file.rfilename, file.size or 0) for file in info.siblings or ())


def _weights_in(folder: Path) -> int | None:
    return _weights((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file())


def _weights(files: Iterable[tuple[str, int]]) -> int | None:
    """Return the bytes of the weights; a repository may hold them in several formats, of which one is loaded."""
    sizes = dict(files)
    for pattern in _WEIGHTS:
        if found := sum(size for name, size in sizes.items() if "/" not in name and re.fullmatch(pattern, name)):
            return found
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the Hub's client from drawing bars and from reporting what is said in our own words."""
    from huggingface_hub import utils

    log, drawn = logging.getLogger("huggingface_hub"), not utils.are_progress_bars_disabled()
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    utils.disable_progress_bars()
    try:
        yield
    finally:
        log.setLevel(before)
        if drawn:
            utils.enable_progress_bars()
