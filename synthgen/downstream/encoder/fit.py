"""A fine-tuned encoder: the shared network and weights of its own."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from synthgen.downstream.encoder import derivatives
from synthgen.downstream.encoder.devices import enough_memory
from synthgen.downstream.encoder.lesson import Lesson
from synthgen.downstream.encoder.network import Network
from synthgen.downstream.encoder.training import Trained
from synthgen.downstream.head import HeadFit, fit_head, standardising
from synthgen.downstream.stm import Features, FloatArray


class EncoderFit:
    """What ``trained`` holds of ``lesson``; the weights stay in main memory, 4 bytes a parameter."""

    def __init__(self, network: Network, lesson: Lesson, trained: Trained) -> None:
        self._network = network
        self._lesson = lesson
        self._trained = trained

    @cached_property
    def epoch_probabilities(self) -> FloatArray:
        """Probabilities of the training samples after each epoch, shape ``(epochs, n, C)``.

        Those held out and those of weight 0 are among them. A short training has one epoch.
        """
        seen = self._trained.epoch_probabilities
        return self.predict_proba(self._lesson.features)[None] if seen is None else seen

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""
        with enough_memory(self._network.name):
            return self._network.probabilities(features, self._trained.state)

    def pull(self, features: Features, slopes: FloatArray) -> derivatives.Direction:
        """Return the gradient, by the name of each weight, of a loss with ``slopes`` (n, C) by the logits."""
        with enough_memory(self._network.name):
            return derivatives.pull(self._network, self._trained.state, features, slopes)

    def push(self, features: Features, direction: Any) -> FloatArray:
        """Return how the logits (n, C) change along ``direction``."""
        with enough_memory(self._network.name):
            return derivatives.push(self._network, self._trained.state, features, direction)

    def linear(self) -> tuple[HeadFit, Callable[[Features], Features]]:
        """Return the last layer, refitted to its optimum on what it sees of the training samples.

        That is standardised on them and divided by ``sqrt(d)``: rows of length about 1, as the head's L2 expects.
        """
        return self._linear

    def settled(self) -> "EncoderFit":
        """Return this fit: it is trained."""
        return self

    @cached_property
    def _linear(self) -> tuple[HeadFit, Callable[[Features], Features]]:
        lesson = self._lesson
        vectors = self._pooled(lesson.features)
        mean, scale = standardising(vectors[lesson.weights > 0])

        def represent(features: Features) -> FloatArray:
            scaled: FloatArray = (self._pooled(features) - mean) * scale
            return scaled

        head = fit_head((vectors - mean) * scale, lesson.labels, lesson.weights, n_labels=self._network.n_labels)
        return head, represent

    def _pooled(self, features: Features) -> FloatArray:
        with enough_memory(self._network.name):
            return self._network.pooled(features, self._trained.state)
