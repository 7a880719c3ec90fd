"""All figures of a dataset besides accuracy, in plain numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.quality.diversity import diversity, repeats

if TYPE_CHECKING:
    from synthgen.downstream.stm import STM
    from synthgen.embedders.base import Embedder
    from synthgen.quality.frechet import Reference


def measure(
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    label_names: Sequence[str],
    plms: Sequence[str] | None = None,
    stm: "STM | None" = None,
    embedder: "Embedder | None" = None,
    reference: "Reference | None" = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return plain JSON values; docs/quality.md says what each means and how far to trust it.

    All of ``quality.diversity`` and ``repeats``; ``by_plm`` with the diversity of what each of two or more ``plms``
    wrote; ``label_noise`` (see there) with an ``stm``, which is started anew, else None; ``frechet`` (see
    ``distance_to``) with an ``embedder`` and a ``reference``, else None. ``labels`` and ``plms`` are names, one a text;
    ``label_names`` are all labels of the task. No gold is involved. Raises ``ValueError`` for fewer than two texts.
    """
    found: dict[str, Any] = {
        **diversity(texts, seed=seed),
        **repeats(texts, labels),
        "by_plm": _by_plm(texts, plms, seed) if plms else {},
        "label_noise": None,
        "frechet": None,
    }
    if stm is not None:
        from synthgen.quality.label_noise import label_noise

        ids = np.array([label_names.index(label) for label in labels])
        found["label_noise"] = label_noise(texts, ids, stm=stm, label_names=label_names, seed=seed)
    if embedder is not None and reference is not None:
        from synthgen.quality.frechet import distance_to

        found["frechet"] = distance_to(reference, texts, labels, embedder, seed=seed)
    return found


def _by_plm(texts: Sequence[str], plms: Sequence[str], seed: int) -> dict[str, Any]:
    by_plm: dict[str, list[str]] = {}
    for text, plm in zip(texts, plms, strict=True):
        by_plm.setdefault(plm, []).append(text)
    if len(by_plm) < 2:
        return {}
    return {plm: diversity(own, seed=seed) for plm, own in sorted(by_plm.items()) if len(own) > 1}
