"""One module for all fits of an STM: what it makes of texts with the weights of one of them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from synthgen.downstream.encoder.devices import bfloat16_pays, roomiest
from synthgen.downstream.encoder.tokens import Padder, batches_of_equal_length
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.errors import UserError

State: TypeAlias = Mapping[str, Tensor]
"""All weights by name, in main memory."""

_TOKENS = {"cpu": 8_192, "cuda": 65_536}
"""Tokens of a batch, with padding, where no gradient is kept."""


class Network:
    """A classifier and the weights all trainings start from; it moves to the roomiest GPU at its first use."""

    def __init__(self, module: nn.Module, *, pad: int, n_labels: int, name: str) -> None:
        self.module = module
        self.n_labels = n_labels
        self.name = name
        self.pad = pad
        self.last = _last_layer(module, n_labels, name)
        self.start: State = self.snapshot()
        self._held: State | None = self.start

    @cached_property
    def device(self) -> torch.device:
        """Where the module computes."""
        return roomiest()

    @property
    def padder(self) -> Padder:
        """What makes batches of feature rows."""
        return Padder(self.pad, self.device)

    def __reduce__(self) -> Any:
        """Take the configuration and the weights that trainings start from along to another process."""
        return network_of, (self.module.config, dict(self.start), self.pad, self.n_labels, self.name)

    def place(self, device: torch.device) -> None:
        """Choose another device."""
        self.__dict__["device"] = device

    def snapshot(self) -> State:
        """Return a copy of the module's weights."""
        return {name: value.detach().to("cpu", copy=True) for name, value in self.module.state_dict().items()}

    def hold(self, state: State) -> nn.Module:
        """Return the module, on its device, with these weights."""
        module = self.module.to(self.device)
        if self._held is not state:
            module.load_state_dict(state)
            self._held = state
        return module

    @contextmanager
    def lent(self, state: State) -> Iterator[nn.Module]:
        """Lend the module with these weights to one who will change them."""
        self.hold(state)
        self._held = None
        try:
            yield self.module
        finally:
            self.module.zero_grad(set_to_none=True)
            self.module.eval()

    def autocast(self, *, training: bool) -> AbstractContextManager[Any]:
        """Compute in bfloat16 where that is faster: on a GPU always, on a CPU only without gradients."""
        if bfloat16_pays(self.device, training=training):
            cast: AbstractContextManager[Any] = torch.autocast(self.device.type, torch.bfloat16)
            return cast
        return nullcontext()

    def batches(self, features: Features, share: int = 1) -> list[IntArray]:
        """Return the rows of each batch to compute at once, a ``share``-th as large as without gradients."""
        return batches_of_equal_length(features, _TOKENS[self.device.type] // share)

    def probabilities(self, features: Features, state: State) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""
        self.hold(state)
        logits = torch.zeros(features.shape[0], self.n_labels, dtype=torch.float64)
        for rows in self.batches(features):
            logits[rows] = self.logits(features, rows)
        chances: FloatArray = softmax(logits.numpy(), axis=1)
        return chances

    def logits(self, features: Features, rows: IntArray) -> Tensor:
        """Return the logits (rows, C) of one batch, with the weights the module happens to have."""
        with torch.inference_mode(), self.autocast(training=False):
            return self._through(features, rows)

    def pooled(self, features: Features, state: State) -> FloatArray:
        """Return what the last layer sees of each text, shape ``(n, d)``, in full precision.

        What is standardised later must not carry the rounding of a shorter format in its steadier dimensions.
        """
        self.hold(state)
        found: FloatArray = np.empty((features.shape[0], self.last.in_features))
        seen: list[Tensor] = []
        hook = self.last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double().cpu()))
        try:
            for rows in self.batches(features):
                with torch.inference_mode():
                    self._through(features, rows)
                found[rows] = seen.pop().numpy()
        finally:
            hook.remove()
        return found

    def _through(self, features: Features, rows: IntArray) -> Tensor:
        logits: Tensor = self.module(**self.padder.batch(features, rows)).logits
        return logits.double().cpu()


def network_of(config: Any, start: State, pad: int, n_labels: int, name: str) -> Network:
    """Build a network again, in another process, from its configuration and the weights that trainings start from."""
    from transformers import AutoModelForSequenceClassification

    module = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    module.load_state_dict(start)
    return Network(module.eval(), pad=pad, n_labels=n_labels, name=name)


def _last_layer(module: nn.Module, n_labels: int, name: str) -> nn.Linear:
    layers = [one for one in module.modules() if isinstance(one, nn.Linear) and one.out_features == n_labels]
    if not layers:
        raise UserError(f"STM {name} cannot be trained: its model has no linear layer over the labels.")
    return layers[-1]
