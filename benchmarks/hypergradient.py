"""SunGen's outer step beside the published way: one Jacobian-vector product against a backward pass of a backward pass.

    python benchmarks/hypergradient.py
    python benchmarks/hypergradient.py --models BiLSTM --texts 4096

Both ways judge by all texts, in batches of the same size, and give the gradient by the weight of every text; training
between steps costs both the same and is left out. Ours is `synthgen.downstream.bilevel.outer_step`. The published way
is re-enacted: a step of plain gradient descent on the weighted loss that is itself differentiated. Each way runs in a
process of its own, on one thread; time is the median process time of a step, memory the most resident memory
beyond what the process held with its model and texts. Texts are random tokens: only their number and length matter.
"""

import argparse
import multiprocessing
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import BertConfig, BertForSequenceClassification
from voting import PeakMemory

from synthgen.downstream.bilevel import Bilevel, outer_step
from synthgen.downstream.stm import FloatArray, IntArray

VOCABULARY, LENGTH, LABELS = 5000, 64, 2
SETTINGS = Bilevel(normalise=False, threshold=1)
"""As published but for the threshold, which does not matter at equal weights."""


class Bag(nn.Module):
    """The linear one: a row of logits a word, averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(VOCABULARY, LABELS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows(tokens).mean(dim=1)


class BiLSTM(nn.Module):
    """The published small model: 100 dimensions a word, two directions of 150."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 100)
        self.lstm = nn.LSTM(100, 150, bidirectional=True, batch_first=True)
        self.head = nn.Linear(300, LABELS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.words(tokens))[0].max(dim=1).values)


class Transformer(nn.Module):
    """BERT of four layers of 256."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=1024,
            max_position_embeddings=LENGTH,
            num_labels=LABELS,
        )
        self.bert = BertForSequenceClassification(config)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.bert(input_ids=tokens).logits


MODELS: dict[str, Callable[[], nn.Module]] = {"linear": Bag, "BiLSTM": BiLSTM, "transformer": Transformer}


def differentiable() -> AbstractContextManager[Any]:
    """Return what both ways need for their last pass: kernels whose derivatives can be differentiated."""
    stack = ExitStack()
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
    return stack


class TorchFit:
    """A network as a fit, read in batches."""

    def __init__(self, net: nn.Module, batch: int) -> None:
        self.net, self.batch = net, batch
        self.parameters = {name: value.detach() for name, value in net.named_parameters()}

    @property
    def epoch_probabilities(self) -> FloatArray:
        raise NotImplementedError

    def linear(self) -> Any:
        raise NotImplementedError

    def predict_proba(self, features: Any) -> FloatArray:
        with torch.no_grad():
            parts = [self.net(rows).softmax(dim=1) for rows in torch.as_tensor(features).split(self.batch)]
        return torch.cat(parts).double().numpy()

    def pull(self, features: Any, slopes: FloatArray) -> list[Tensor]:
        values = list(self.net.parameters())
        total = [torch.zeros_like(value) for value in values]
        scale = torch.as_tensor(slopes, dtype=torch.float32)
        for rows, factor in zip(torch.as_tensor(features).split(self.batch), scale.split(self.batch), strict=True):
            found = torch.autograd.grad((self.net(rows) * factor).sum(), values)
            total = [sum_ + one for sum_, one in zip(total, found, strict=True)]
        return total

    def push(self, features: Any, direction: list[Tensor]) -> FloatArray:
        along, parts = dict(zip(self.parameters, direction, strict=True)), []
        for rows in torch.as_tensor(features).split(self.batch):

            def logits(values: dict[str, Tensor], rows: Tensor = rows) -> Tensor:
                return functional_call(self.net, values, (rows,))  # type: ignore[no-any-return]

            with torch.no_grad(), differentiable():
                parts.append(jvp(logits, (self.parameters,), (along,))[1])
        return torch.cat(parts).double().numpy()


def published(net: nn.Module, tokens: FloatArray, labels: IntArray, theta: FloatArray, batch: int) -> FloatArray:
    """Return the gradient by theta the published way."""
    x, y, values = torch.as_tensor(tokens), torch.as_tensor(labels), list(net.parameters())
    wanted = [torch.zeros_like(value) for value in values]
    for rows, answers in zip(x.split(batch), y.split(batch), strict=True):
        p = net(rows).softmax(dim=1)
        target = (10 * nn.functional.one_hot(answers, LABELS).float()).softmax(dim=1)
        found = torch.autograd.grad(-(p * target.log()).sum(), values)
        wanted = [sum_ + one for sum_, one in zip(wanted, found, strict=True)]
    free = torch.tensor(theta, dtype=torch.float32, requires_grad=True)
    weights = torch.sigmoid(free)
    total, gradient = weights.detach().sum(), torch.zeros_like(free)
    with differentiable():
        for places in torch.arange(len(x)).split(batch):
            losses = nn.functional.cross_entropy(net(x[places]), y[places], reduction="none")
            inner = (weights[places] * losses / total).sum()
            slopes = torch.autograd.grad(inner, values, create_graph=True)
            moved = [value - SETTINGS.inner_lr * slope for value, slope in zip(values, slopes, strict=True)]
            gradient += torch.autograd.grad(moved, [free], grad_outputs=wanted, retain_graph=True)[0]
    return gradient.double().numpy()


class Measured(NamedTuple):
    seconds: float
    extra: int
    gradient: FloatArray


def measure(model: str, ours: bool, texts: int, batch: int, repeats: int) -> Measured:
    """Time one way; called in a process of its own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, draw = MODELS[model]().eval(), np.random.default_rng(0)
    tokens: Any = draw.integers(0, VOCABULARY, (texts, LENGTH))
    labels, theta = draw.integers(0, LABELS, texts), np.zeros(texts)

    def step(count: int) -> FloatArray:
        x, y, start = tokens[:count], labels[:count], theta[:count]
        if ours:
            return outer_step(TorchFit(net, batch), x, y, start, np.arange(count), SETTINGS)[0]
        return published(net, x, y, start, batch)

    # What the first call of anything sets up is no part of a step.
    step(4)
    memory, seconds = PeakMemory(), []
    with memory:
        for _ in range(repeats):
            began = time.process_time()
            gradient = step(texts)
            seconds.append(time.process_time() - began)
    return Measured(median(seconds), memory.extra, gradient)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(f"{given.texts} texts of {LENGTH} tokens, one thread, median of {given.repeats} steps\n")
    print("| model | batch | double backward, s | ours, s | times faster | double backward, MB | ours, MB | apart |")
    print("|---|---|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for model in given.models:
        for batch in given.batches:
            found = []
            for ours in (False, True):
                with context.Pool(1) as pool:
                    found.append(pool.apply(measure, (model, ours, given.texts, batch, given.repeats)))
            theirs, mine = found
            apart = np.abs(theirs.gradient - mine.gradient).max() / np.abs(theirs.gradient).max()
            times = f"{theirs.seconds:.2f} | {mine.seconds:.2f} | {theirs.seconds / mine.seconds:.2f}"
            sizes = f"{theirs.extra / 1e6:,.0f} | {mine.extra / 1e6:,.0f}"
            print(f"| {model} | {batch} | {times} | {sizes} | {apart:.0e} |", flush=True)


if __name__ == "__main__":
    main()
