"""What a training is given: samples, settings, and the order and the split that the seed decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthgen.downstream.encoder.options import EncoderOptions
from synthgen.downstream.encoder.tokens import lengths
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.seeds import derive_seed

FEWEST_HELD = 8
"""With fewer samples held out, their loss would stop a training at random; then none are."""

_SORTED_TOGETHER = 8
"""Batches whose samples are sorted by length: little is padded, and the order stays nearly random."""


@dataclass(frozen=True)
class Lesson:
    """Samples (n, length), label ids (n,) and relative weights (n,); one of weight 0 takes no part in the training.

    ``short`` is one epoch, after which nothing is measured.
    """

    features: Features
    labels: IntArray
    weights: FloatArray
    options: EncoderOptions
    seed: int
    short: bool

    @cached_property
    def importance(self) -> FloatArray:
        """The weights, scaled so that those of the samples that count have mean 1."""
        unit: FloatArray = self.weights / self.weights.max()
        scaled: FloatArray = unit / unit[unit > 0].mean()
        return scaled

    @property
    def epochs(self) -> int:
        """The most passes over the samples."""
        return 1 if self.short else self.options.epochs

    @property
    def taught(self) -> IntArray:
        """The rows to train on."""
        return self._split[0]

    @property
    def held(self) -> IntArray:
        """The rows that early stopping watches; empty where it takes no part."""
        return self._split[1]

    def batches(self, epoch: int) -> Iterator[IntArray]:
        """Yield the rows of each batch of an epoch: every taught row once, in an order of the epoch's own."""
        draw = np.random.default_rng(derive_seed("encoder order", self.seed, epoch))
        order = draw.permutation(self.taught)
        counts, size = lengths(self.features), self.options.batch
        stretch = size * _SORTED_TOGETHER
        batches = []
        for start in range(0, len(order), stretch):
            near = order[start : start + stretch]
            near = near[np.argsort(counts[near], kind="stable")]
            batches += [near[first : first + size] for first in range(0, len(near), size)]
        for place in draw.permutation(len(batches)):
            yield batches[place]

    @cached_property
    def _split(self) -> tuple[IntArray, IntArray]:
        rows = np.flatnonzero(self.weights > 0)
        if self.short or not self.options.held_out:
            return rows, rows[:0]
        draw = np.random.default_rng(derive_seed("encoder held out", self.seed))
        held = []
        for label in np.unique(self.labels[rows]):
            own = rows[self.labels[rows] == label]
            held.append(draw.permutation(own)[: round(self.options.held_out * len(own))])
        kept_back = np.sort(np.concatenate(held))
        if not FEWEST_HELD <= len(kept_back) < len(rows):
            return rows, rows[:0]
        return np.setdiff1d(rows, kept_back), kept_back
