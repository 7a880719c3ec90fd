"""What may not be in a dataset: samples that overlap gold texts, or private ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.curate.overlap import overlaps
from synthgen.errors import SynthgenError
from synthgen.parts import Parts
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.samples import Picked, Rows, Texts


def decontaminated(recipe: Recipe, parts: Parts, samples: Sequence[Sample]) -> tuple[Rows, dict[str, Any]]:
    """Return the rows, ascending, of those ``samples`` of a dataset that may stay, and what the metrics say of others.

    Of gold only the texts are looked at, after the last choice and the last weight. Where private samples were promised
    something, what overlaps one goes uncounted: the number would tell of them, and is not noised. Raises
    ``SynthgenError`` where nothing of a label is left.
    """
    texts = Texts(samples)
    kept = set(range(len(samples)))
    said: dict[str, Any] = {"gold": None, "private": None}
    if parts.gold and recipe.decontaminate.gold:
        found = overlaps(texts, parts.gold.texts())
        kept -= {*found.run, *found.near}
        said["gold"] = {
            "removed": len(found.run) + len(found.near),
            "by": {"run": len(found.run), "near": len(found.near)},
            "texts": len(parts.gold),
        }
    if parts.vault and recipe.filters_private:
        private = parts.vault.overlapping(texts)
        kept -= private
        said["private"] = "removed, not counted" if recipe.privacy.enabled else {"removed": len(private)}
    left = np.array(sorted(kept), dtype=np.int64)
    labels = {sample.label for sample in Picked(samples, left)}
    if lost := [label for label in parts.task.labels if label not in labels]:
        raise SynthgenError(
            f"All samples of {', '.join(lost)} overlap gold or private texts; the PLMs, or the pool, have read them."
        )
    return left, said
