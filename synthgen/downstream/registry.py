"""Find an STM by its name, importing only that one."""

from importlib import import_module

from synthgen.downstream.stm import STM
from synthgen.errors import UserError
from synthgen.text import nearest

_STMS = {
    "tfidf": "synthgen.downstream.tfidf:TfidfSTM",
    "embedding": "synthgen.downstream.embedding:EmbeddingSTM",
}
_TAKES_MODEL = {"embedding"}


def stm_names() -> list[str]:
    """Return the known specs, with ``<model>`` where one is to be named."""
    return [f"{kind}:<model>" if kind in _TAKES_MODEL else kind for kind in _STMS]


def make_stm(spec: str, *, seed: int) -> STM:
    """Build the STM named ``tfidf`` or ``embedding:<model>``. Raises ``UserError`` for another spec.

    ``seed`` is for STMs that draw random numbers; the linear heads draw none.
    """
    kind, colon, model = spec.partition(":")
    if kind not in _STMS:
        raise UserError(f"There is no STM {spec!r}{nearest(kind, list(_STMS))} Known are {', '.join(stm_names())}.")
    if kind in _TAKES_MODEL and not model:
        raise UserError(f"STM {kind} needs a model: write {kind}:<model> with a Hub id or a folder.")
    if kind not in _TAKES_MODEL and colon:
        raise UserError(f"STM {kind} takes no model: write {kind}.")
    module, name = _STMS[kind].split(":")
    build = getattr(import_module(module), name)
    made: STM = build(model) if model else build()
    return made
