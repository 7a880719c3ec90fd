"""Find an STM by its name, importing only that one."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from synthgen.downstream.stm import STM
from synthgen.errors import UserError
from synthgen.text import nearest

_STMS = {
    "tfidf": "synthgen.downstream.tfidf:TfidfSTM",
    "embedding": "synthgen.downstream.embedding:EmbeddingSTM",
    "encoder": "synthgen.downstream.encoder.stm:EncoderSTM",
}
_OPTIONS = {"encoder": "synthgen.downstream.encoder.options:EncoderOptions"}
_TAKES_MODEL = {"embedding", "encoder"}


def stm_names() -> list[str]:
    """Return the known specs, with ``<model>`` where one is to be named."""
    return [f"{kind}:<model>" if kind in _TAKES_MODEL else kind for kind in _STMS]


def make_stm(spec: str, *, seed: int, options: Mapping[str, Any] = {}) -> STM:
    """Build the STM named ``tfidf``, ``embedding:<model>`` or ``encoder:<model>``.

    ``seed`` is for STMs that draw random numbers; the linear heads draw none. Raises ``UserError`` for another spec,
    for ``options`` the STM does not have, and for an encoder that cannot be loaded.
    """
    kind, model, checked = check_stm(spec, options)
    build = _found(_STMS[kind])
    made: STM = build(*([model] if model else []), **({"seed": seed, "options": checked} if checked else {}))
    return made


def check_stm(spec: str, options: Mapping[str, Any] = {}) -> tuple[str, str, BaseModel | None]:
    """Return kind, model (or "") and options of a spec, loading nothing. Raises ``UserError`` where it is wrong."""
    kind, colon, model = spec.partition(":")
    if kind not in _STMS:
        raise UserError(f"There is no STM {spec!r}{nearest(kind, list(_STMS))} Known are {', '.join(stm_names())}.")
    if kind in _TAKES_MODEL and not model:
        raise UserError(f"STM {kind} needs a model: write {kind}:<model> with a Hub id or a folder.")
    if kind not in _TAKES_MODEL and colon:
        raise UserError(f"STM {kind} takes no model: write {kind}.")
    return kind, model, _checked(kind, options)


def _checked(kind: str, options: Mapping[str, Any]) -> BaseModel | None:
    if kind not in _OPTIONS:
        if options:
            raise UserError(f"STM {kind} has no options; remove {', '.join(options)}.")
        return None
    known: type[BaseModel] = _found(_OPTIONS[kind])
    try:
        return known.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] != "extra_forbidden":
            raise UserError(f"Option {name!r} of STM {kind}: {first['msg']} (given: {first['input']!r}).") from None
        near = nearest(name, list(known.model_fields))
        raise UserError(f"STM {kind} has no option {name!r}{near} It has {', '.join(known.model_fields)}.") from None


def _found(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)
