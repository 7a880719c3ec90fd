"""Find an embedder by its name, importing only that one."""

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from synthgen.errors import UserError
from synthgen.text import nearest

if TYPE_CHECKING:
    from synthgen.embedders.base import Embedder

_BUILT_IN = {"words": "synthgen.embedders.words:WordsEmbedder"}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def embedder_names() -> list[str]:
    """Return the embedders that ship with the package; any sentence-transformers model is one too."""
    return list(_BUILT_IN)


def make_embedder(spec: str) -> "Embedder":
    """Build the embedder named ``words``, or that of a sentence-transformers Hub id (``owner/name``) or folder.

    Raises ``UserError`` for any other spec. A model is loaded at its first text, so a Hub id that does not exist raises
    there; encode ``[]`` to learn of it early.
    """
    if spec in _BUILT_IN:
        module, name = _BUILT_IN[spec].split(":")
        built: Embedder = getattr(import_module(module), name)()
        return built
    if not spec or not (_HUB_ID.fullmatch(spec) or Path(spec).is_dir()):
        raise UserError(
            f"There is no embedder {spec!r}{nearest(spec, embedder_names())} "
            "Write words, a Hub id (owner/name) of a sentence-transformers model, or its folder."
        )
    from synthgen.embedders.sentence import SentenceEmbedder

    return SentenceEmbedder(spec)
