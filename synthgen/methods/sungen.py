"""SunGen (Gao et al., ICLR 2023): zero-shot samples, weighted by what they teach a small model about the others.

Texts are written as ZeroGen writes them. In the end a weight is learned for every sample (``downstream/bilevel.py``)
and used: in the loss of the final STM, or to leave samples out. Differences to the published code are listed in
docs/methods.md.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from synthgen.downstream.bilevel import Bilevel, SampleWeights, learn_weights
from synthgen.downstream.stm import STM, Features, FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.methods.base import Weighed
from synthgen.methods.trained import label_ids, started, train_on
from synthgen.methods.zerogen import ZeroGen, ZeroGenOptions
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.task import Task

SPLIT = 0.2
"""Labels whose mean weights are further apart than this are worth a word; STMs lean to the heavier one."""


class SunGenOptions(ZeroGenOptions, Bilevel):
    """SunGen's own settings, with ZeroGen's for the writing.

    ``use``: ``weights`` trains the final STM on all samples with their weights; ``top`` keeps the ``share`` of each
    label with the highest weights; ``sample`` draws that share of each label without replacement, in proportion to the
    weights. What ``top`` and ``sample`` keep weighs the same.
    """

    use: Literal["weights", "top", "sample"] = "weights"
    share: Annotated[float, Field(gt=0, le=1)] = 0.5


class SunGen(ZeroGen):
    """The method. Raises ``UserError`` for options that contradict each other."""

    Options = SunGenOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM) -> None:
        self._weighing = options = SunGenOptions.model_validate(recipe.options)
        given = options.model_fields_set
        if "share" in given and options.use == "weights":
            raise UserError("Option share of sungen needs use: top or use: sample; with weights every sample is kept.")
        if "threshold" in given and not options.hard:
            raise UserError("Option threshold of sungen needs hard: true; otherwise every sample counts by its weight.")
        writing = {name: recipe.options[name] for name in ZeroGenOptions.model_fields if name in recipe.options}
        super().__init__(recipe.model_copy(update={"options": writing}), task, plms, stm)

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Learn the weights and train the final STM by them."""
        if self._weighing.use != "weights":
            weights, notes = self._learnt(*started(self._stm, samples, self._task))
            kept = self._kept(weights, samples)
            return train_on(kept, samples, stm=self._stm, task=self._task)._replace(notes=notes)
        features, labels = started(self._stm, samples, self._task)
        weights, notes = self._learnt(features, labels)
        weights = weights / weights.mean()
        return Weighed(weights, self._stm.fit(features, labels, weights, n_labels=len(self._task.labels)), notes)

    def _learnt(self, features: Features, labels: IntArray) -> tuple[FloatArray, list[str]]:
        """Return the weights (n,) and what to say of them."""
        seed, n_labels = derive_seed(self._recipe.seed, "outer"), len(self._task.labels)
        learned = learn_weights(self._stm.fit, features, labels, n_labels=n_labels, seed=seed, settings=self._weighing)
        return learned.weights, self._said(learned)

    def _kept(self, weights: FloatArray, samples: Sequence[Sample]) -> IntArray:
        """Return the rows of the highest keys of each label; each label keeps one at least."""
        labels, keys = label_ids(samples, self._task), np.log(weights)
        if self._weighing.use == "sample":
            # The highest of log w + Gumbel noise are a draw without replacement in proportion to w.
            keys = keys + np.random.default_rng(derive_seed(self._recipe.seed, "sample")).gumbel(size=len(keys))
        kept = []
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            count = max(1, round(self._weighing.share * len(rows)))
            kept.append(rows[np.argsort(-keys[rows], kind="stable")[:count]])
        return np.sort(np.concatenate(kept))

    def _said(self, learned: SampleWeights) -> list[str]:
        if learned.split <= SPLIT:
            return []
        means = ", ".join(
            f"{label} {mean:.2f}" for label, mean in zip(self._task.labels, learned.class_means[-1], strict=True)
        )
        return [f"SunGen's weights favour one label (mean weights: {means}); normalise: true keeps labels on a par."]
