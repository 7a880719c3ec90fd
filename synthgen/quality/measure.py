"""All figures of a dataset besides accuracy, in plain numbers."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.blocks import in_blocks
from synthgen.curate.words import words
from synthgen.quality.diversity import AT_ONCE, Counted, Repeats, diversity_of

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
    ``label_names`` are all labels of the task. No gold is involved. The texts may be on disk: they are read one after
    the other, and a few thousand once more; the search for repeats keeps some bytes a word. Raises ``ValueError`` for
    fewer than two texts.
    """
    found: dict[str, Any] = {**_read_once(texts, labels, plms, seed), "label_noise": None, "frechet": None}
    if stm is not None:
        from synthgen.quality.label_noise import label_noise

        ids = np.array([label_names.index(label) for label in labels])
        found["label_noise"] = label_noise(texts, ids, stm=stm, label_names=label_names, seed=seed)
    if embedder is not None and reference is not None:
        from synthgen.quality.frechet import distance_to

        found["frechet"] = distance_to(reference, texts, labels, embedder, seed=seed)
    return found


def _read_once(texts: Sequence[str], labels: Sequence[str], plms: Sequence[str] | None, seed: int) -> dict[str, Any]:
    """Return ``diversity``, ``repeats`` and ``by_plm`` of texts that are read in one go but for those drawn."""
    whole, repeated = Counted(), Repeats()
    by_plm: defaultdict[str, Counted] = defaultdict(Counted)
    rows: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
    for tokens, own_labels, own_plms in _blocks(texts, labels, plms):
        repeated.add(tokens, own_labels)
        for text, plm in zip(tokens, own_plms, strict=True):
            rows[plm].append(len(whole.lengths))
            whole.lengths.append(len(text))
            by_plm[plm].add(text)
    whole.types = set().union(*(counted.types for counted in by_plm.values()))
    return {
        **diversity_of(whole, texts.__getitem__, seed=seed),
        **repeated.shares(),
        "by_plm": {
            plm: diversity_of(counted, lambda row, own=rows[plm]: texts[own[row]], seed=seed)  # type: ignore[misc]
            for plm, counted in sorted(by_plm.items())
            if len(by_plm) > 1 and len(counted.lengths) > 1
        },
    }


def _blocks(
    texts: Sequence[str], labels: Sequence[str], plms: Sequence[str] | None
) -> Iterator[tuple[list[list[str]], list[str], list[str]]]:
    """Yield the words, labels and PLMs of some texts at a time."""
    each = zip(texts, labels, plms if plms else repeat("", len(texts)), strict=True)
    for block in in_blocks(each, AT_ONCE):
        yield [words(text) for text, _, _ in block], [label for _, label, _ in block], [plm for _, _, plm in block]
