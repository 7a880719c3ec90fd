"""How a user wants PLMs run: what overrides the catalog, a PLM at a time or for all of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from synthgen.errors import UserError
from synthgen.text import nearest


def _as_text(value: object) -> object:
    """Read ``1`` and ``true`` of a recipe as what an environment holds."""
    if isinstance(value, bool):
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


class Serving(BaseModel):
    """Settings of one PLM; None leaves the choice to the catalog and the machine.

    ``tensor_parallel_size`` counts GPUs, ``gpu_memory_utilization`` is a share of each, ``max_model_len``
    is in tokens, ``memory`` in gigabytes, ``timeout`` in seconds a request. ``in_flight`` bounds the requests open
    at once, ``choices`` the completions asked for in one request (``n``), ``batch_size`` the rows of a batch in this
    process. ``environment`` and ``flags`` go to vLLM as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tensor_parallel_size: Annotated[int, Field(ge=1)] | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    max_model_len: Annotated[int, Field(ge=16)] | None = None
    dtype: str | None = None
    quantization: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    chat: bool | None = None
    template: str | None = None
    memory: Annotated[float, Field(gt=0)] | None = None
    keep_warm: bool = False
    choices: Annotated[int, Field(ge=1, le=128)] | None = None
    in_flight: Annotated[int, Field(ge=1, le=4096)] = 256
    batch_size: Annotated[int, Field(ge=1)] | None = None
    timeout: Annotated[float, Field(gt=0)] = 600
    environment: dict[str, Annotated[str, BeforeValidator(_as_text)]] = {}
    flags: dict[str, Any] = {}


def serving_of(settings: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, Serving]:
    """Return each PLM's settings: those under ``all``, then those under its name.

    Raises ``UserError`` for a name that is no PLM of the run and for a setting that does not exist or does not fit.
    """
    for name in settings:
        if name != "all" and name not in names:
            raise UserError(
                f"serving names {name!r}{nearest(name, ['all', *names])} The run's PLMs are {', '.join(names)}."
            )
    try:
        served = {
            name: Serving.model_validate(_merged(settings.get("all", {}), settings.get(name, {}))) for name in names
        }
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UserError(
                f"There is no serving setting {setting!r}{nearest(setting, list(Serving.model_fields))}"
            ) from None
        raise UserError(f"Serving setting {setting}: {first['msg']} (given: {first['input']!r}).") from None
    for name, one in served.items():
        _refuse_secrets(name, one)
    return served


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Let a PLM's own settings win over those of all; groups of settings are merged."""
    merged = {**common, **own}
    for group in ("environment", "flags"):
        if isinstance(common.get(group), Mapping) and isinstance(own.get(group), Mapping):
            merged[group] = {**common[group], **own[group]}
    return merged


def _refuse_secrets(name: str, serving: Serving) -> None:
    """Raise ``UserError`` for what would put a secret into a run's files."""
    for given in (*serving.environment, *serving.flags):
        if given.upper().replace("-", "_").rsplit("_", 1)[-1] in {"KEY", "TOKEN", "SECRET", "PASSWORD"}:
            raise UserError(
                f"serving.{name} names {given}: secrets are never written down; set it in the environment instead."
            )
