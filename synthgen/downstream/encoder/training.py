"""Fine-tuning: weighted cross-entropy, Adam, as many epochs as the held-out samples allow."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from synthgen.downstream.encoder.devices import enough_memory, repeatable
from synthgen.downstream.encoder.lesson import Lesson
from synthgen.downstream.encoder.network import Network, State
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.seeds import derive_seed


class Crew(Protocol):
    """The processes that share each batch: this one is number ``rank`` of ``size``."""

    rank: int
    size: int

    def prepare(self, module: nn.Module) -> nn.Module:
        """Return the module to train, whose gradients are the mean over all processes."""

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss."""

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over all processes."""


class Alone:
    """A crew of one."""

    rank = 0
    size = 1

    def prepare(self, module: nn.Module) -> nn.Module:
        """Return the module as it is."""
        return module

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss."""
        loss.backward()

    def total(self, part: Tensor) -> Tensor:
        """Return it as it is."""
        return part


@dataclass(frozen=True)
class Trained:
    """The best weights, and the probabilities of all samples after each epoch, ``(epochs, n, C)``; none if short.

    After an early stop nothing changes any more: the last row is repeated up to ``epochs``.
    """

    state: State
    epoch_probabilities: FloatArray | None


def train(network: Network, lesson: Lesson, crew: Crew) -> Trained:
    """Train from the network's start.

    Best is the epoch with the least weighted loss on the held-out samples, the last one where none are held out.
    Raises ``UserError`` where memory is used up or the loss is no number any more.
    """
    seed = derive_seed("encoder dropout", lesson.seed, crew.rank)
    with enough_memory(network.name), network.lent(network.start) as bare, repeatable(network.device, seed):
        module, options = crew.prepare(bare), lesson.options
        learnt = [weight for weight in bare.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(learnt, lr=options.lr, weight_decay=options.weight_decay)
        seen: list[FloatArray] = []
        best, state, waited = np.inf, None, 0
        for epoch in range(lesson.epochs):
            _epoch(network, module, optimiser, lesson, epoch, crew)
            if lesson.short:
                break
            seen.append(_probabilities(network, lesson, crew))
            if not len(lesson.held):
                continue
            if (loss := _loss(seen[-1], lesson, lesson.held)) < best:
                best, state, waited = loss, network.snapshot(), 0
                continue
            waited += 1
            if waited == options.patience:
                break
        seen += seen[-1:] * (lesson.epochs - len(seen))
        return Trained(network.snapshot() if state is None else state, None if lesson.short else np.stack(seen))


def _epoch(
    network: Network,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    lesson: Lesson,
    epoch: int,
    crew: Crew,
) -> None:
    module.train()
    summed = torch.zeros((), device=network.device)
    for rows in lesson.batches(epoch):
        loss = _batch_loss(network, module, lesson, rows, crew)
        crew.backward(loss)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        summed += loss.detach()
    module.eval()
    if not torch.isfinite(crew.total(summed)):
        raise UserError(f"The training of STM {network.name} diverged; choose an lr below {lesson.options.lr:g}.")


def _batch_loss(network: Network, module: nn.Module, lesson: Lesson, rows: IntArray, crew: Crew) -> Tensor:
    """Return this process's part of a batch's loss, such that the mean of the parts is the loss."""
    own, weights = rows[crew.rank :: crew.size], lesson.importance
    if not len(own):
        # All processes take every step together; one without samples goes along with a sample that does not count.
        own, weights = rows[:1], np.zeros_like(weights)
    with network.autocast(training=True):
        logits = module(**network.padder.batch(lesson.features, own)).logits
    losses = cross_entropy(logits.float(), torch.from_numpy(lesson.labels[own]).to(network.device), reduction="none")
    scale = torch.from_numpy(weights[own]).to(losses)
    return (losses * scale).sum() * (crew.size / len(rows))


def _probabilities(network: Network, lesson: Lesson, crew: Crew) -> FloatArray:
    logits = torch.zeros(lesson.features.shape[0], network.n_labels, dtype=torch.float64)
    for rows in network.batches(lesson.features)[crew.rank :: crew.size]:
        logits[rows] = network.logits(lesson.features, rows)
    chances: FloatArray = softmax(crew.total(logits.to(network.device)).cpu().numpy(), axis=1)
    return chances


def _loss(probabilities: FloatArray, lesson: Lesson, rows: IntArray) -> float:
    weights = lesson.importance[rows]
    chances = np.maximum(probabilities[rows, lesson.labels[rows]], 1e-12)
    return float(-(weights @ np.log(chances)) / weights.sum())
