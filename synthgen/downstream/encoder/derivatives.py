"""First derivatives of a network's logits by all its trainable weights, forwards and backwards, batch by batch."""

import warnings
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthgen.downstream.encoder.network import Network, State
from synthgen.downstream.stm import Features, FloatArray

Direction: TypeAlias = dict[str, Tensor]
"""A change of each trainable weight, by name, on the network's device."""

_PULL, _PUSH = 8, 4
"""How many times smaller batches are than for scoring: activations are kept, or every number is a pair."""


def pull(network: Network, state: State, features: Features, slopes: FloatArray) -> Direction:
    """Return the gradient of ``sum(slopes * logits)`` at ``state``, without dropout, in full precision."""
    module = network.hold(state)
    weights = {name: value for name, value in module.named_parameters() if value.requires_grad}
    total = {name: torch.zeros_like(value) for name, value in weights.items()}
    for rows in network.batches(features, _PULL):
        logits = module(**network.padder.batch(features, rows)).logits
        scale = torch.from_numpy(np.asarray(slopes[rows])).to(logits)
        found = torch.autograd.grad((logits * scale).sum(), list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, found, strict=True):
            if gradient is not None:
                total[name] += gradient
    return total


def push(network: Network, state: State, features: Features, direction: Direction) -> FloatArray:
    """Return how the logits (n, C) change along ``direction`` at ``state``, without dropout, in full precision."""
    module = network.hold(state)
    weights = {name: value.detach() for name, value in module.named_parameters() if name in direction}
    along = {name: direction[name].to(value) for name, value in weights.items()}
    moved: FloatArray = np.empty((features.shape[0], network.n_labels))
    for rows in network.batches(features, _PUSH):
        batch = network.padder.batch(features, rows)

        def logits(values: Direction, batch: dict[str, Tensor] = batch) -> Tensor:
            found: Tensor = functional_call(module, values, kwargs=batch).logits
            return found

        # The fused kernels of attention know no forward derivative.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            # torch warns of its own use of torch.jit.
            warnings.simplefilter("ignore", DeprecationWarning)
            _, change = jvp(logits, (weights,), (along,))
        moved[rows] = change.double().cpu().numpy()
    return moved
