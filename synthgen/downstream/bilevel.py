"""Sample weights learned in two levels (SunGen, Gao et al., ICLR 2023), whatever the STM.

An STM trained with the weights of the moment is judged by a loss that wrong labels can hardly bend, on the same
synthetic samples; the weights move to where one more step of that training would lower this loss. No gold is needed.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, softmax

from synthgen.downstream.stm import Features, Fit, FloatArray, IntArray
from synthgen.downstream.weights import FitFunction

OuterLoss: TypeAlias = Literal["combined", "ce", "kl", "entropy", "mae"]
_SHARPNESS = 10.0


class Bilevel(BaseModel):
    """How weights are learned; the defaults are the published command's.

    ``outer_samples`` are drawn at random, once, to judge by: with ``hard`` only those of them count whose weight is
    among the highest ``threshold`` of all weights, without it each counts by its weight. ``lr`` is Adam's on theta,
    ``inner_lr`` the length of the one step looked ahead (Adam makes theta all but blind to it), ``clip`` bounds the
    norm of the gradient.

    ``normalise`` lets samples compete within their label only: each label keeps its share of the weight, in the
    training as in the judging, and its own ``threshold``, and no sample is credited for a shift of all logits alike,
    which only trades one label for another. Without it, as published, all of one label may end up low.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    outer: OuterLoss = "combined"
    hard: bool = True
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.9
    outer_samples: Annotated[int, Field(ge=1)] = 50_000
    iterations: Annotated[int, Field(ge=1)] = 100
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.25
    inner_lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    clip: Annotated[float, Field(gt=0)] = 3.0
    normalise: bool = True


@dataclass(frozen=True, slots=True)
class SampleWeights:
    """``theta`` (n,), the ``weights`` (n,) it stands for, and how it came.

    ``weights`` are positive and relative: sigmoid of theta, with ``normalise`` each label's scaled to the mean of all.
    ``outer_losses`` (iterations,) are means over what counted, before each step; ``class_means`` (iterations, C) are
    the labels' mean weights after it, nan for a label that does not occur.
    """

    theta: FloatArray
    weights: FloatArray
    outer_losses: FloatArray
    class_means: FloatArray

    @property
    def split(self) -> float:
        """How far the labels' mean weights are apart in the end, 0 to 1; 0 with ``normalise``."""
        return float(np.nanmax(self.class_means[-1]) - np.nanmin(self.class_means[-1]))


def learn_weights(
    fit: FitFunction, features: Features, labels: IntArray, *, n_labels: int, seed: int, settings: Bilevel
) -> SampleWeights:
    """Learn a weight for every sample, all equal at first, by ``settings.iterations`` short trainings on all of them.

    ``fit`` is ``STM.fit`` after its ``start``; ``seed`` draws the samples to judge by.
    """
    count = len(labels)
    outer = np.arange(count)
    if count > settings.outer_samples:
        outer = np.sort(np.random.default_rng(seed).choice(count, settings.outer_samples, replace=False))
    theta, adam = np.zeros(count), _Adam(settings.lr)
    weights = sample_weights(theta, labels, settings)
    losses, means = [], []
    for _ in range(settings.iterations):
        trained = fit(features, labels, weights, n_labels=n_labels, short=True)
        gradient, loss = outer_step(trained, features, labels, theta, outer, settings)
        norm = float(np.linalg.norm(gradient))
        theta = theta - adam.step(gradient * settings.clip / norm if norm > settings.clip else gradient)
        weights = sample_weights(theta, labels, settings)
        losses.append(loss)
        means.append(_class_means(weights, labels, n_labels))
    return SampleWeights(theta, weights, np.array(losses), np.array(means))


def sample_weights(theta: FloatArray, labels: IntArray, settings: Bilevel) -> FloatArray:
    """Return the weights (n,) that ``theta`` stands for; see ``SampleWeights``."""
    weights: FloatArray = np.maximum(expit(theta), np.finfo(np.float64).tiny)
    if not settings.normalise:
        return weights
    means = _class_means(weights, labels, int(labels.max()) + 1)
    return np.asarray(weights * (weights.mean() / means)[labels])


def outer_step(
    fit: Fit, features: Features, labels: IntArray, theta: FloatArray, outer: IntArray, settings: Bilevel
) -> tuple[FloatArray, float]:
    """Return the gradient (n,) of the summed outer loss by ``theta``, and the mean outer loss.

    ``fit`` is at ``w``, trained on all samples with the weights ``s`` of ``theta``, of sum ``S``; ``outer`` are the
    rows to judge by. Of the one step ``w' = w - inner_lr sum_i s_i grad l_i(w) / S``, with ``l`` the cross-entropy,
    ``S`` and the labels' scales held fixed, and the gradient ``g`` of the outer loss at ``w``, this is the slope of
    ``<w', g>``::

        -(inner_lr / S) s_i (1 - sigmoid(theta_i)) <grad l_i(w), g>
        <grad l_i(w), g> = <p_i - onehot_i, change of the logits i along g>

    so that one Jacobian-vector product takes the place of the second backward pass of the published code. With
    ``normalise`` the changes are taken less their mean, weighted by ``s``.
    """
    weights, probabilities = sample_weights(theta, labels, settings), fit.predict_proba(features)
    counted = _counted(weights, labels, outer, settings)
    values, slopes = outer_loss(probabilities[outer], labels[outer], settings.outer)
    direction = fit.pull(features[outer], counted[:, None] * slopes)
    errors = probabilities.copy()
    errors[np.arange(len(labels)), labels] -= 1.0
    moved = fit.push(features, direction)
    if settings.normalise:
        # Otherwise this shift rules: whole labels rise and fall together, and in Adam's steps the rest is lost.
        moved = moved - np.average(moved, axis=0, weights=weights)
    along = (errors * moved).sum(axis=1)
    gradient = -(settings.inner_lr / weights.sum()) * weights * expit(-theta) * along
    return gradient, float(counted @ values / counted.sum())


def outer_loss(probabilities: FloatArray, labels: IntArray, kind: OuterLoss) -> tuple[FloatArray, FloatArray]:
    """Return each sample's loss (n,) and its slopes (n, C) by the logits.

    With ``q = softmax(10 onehot)``: ``combined`` is reverse cross-entropy, ``-sum p log q``, ``kl`` is ``KL(p || q)``,
    ``entropy`` that of ``p``, ``ce`` is ``-log p_y`` and ``mae`` is ``1 - p_y``. The first is a constant less ten times
    ``p_y``, so to Adam it is the same as ``mae``. Losses are sums over labels where the published code takes means.
    """
    rows = np.arange(len(labels))
    onehot = np.zeros_like(probabilities)
    onehot[rows, labels] = 1.0
    logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    if kind == "ce":
        return -logs[rows, labels], probabilities - onehot
    target = np.log(softmax(_SHARPNESS * onehot, axis=1))
    cost = {"combined": -target, "kl": logs - target, "entropy": -logs, "mae": 1 - onehot}[kind]
    values = (probabilities * cost).sum(axis=1)
    # The slope of the logarithms in ``cost`` adds a constant to it, which the softmax takes out again.
    return values, probabilities * (cost - values[:, None])


def _counted(weights: FloatArray, labels: IntArray, outer: IntArray, settings: Bilevel) -> FloatArray:
    """Return how much each of the rows ``outer`` counts, label by label where they are normalised."""
    if not settings.normalise:
        return _within(weights, weights[outer], settings)
    counted = np.empty(len(outer))
    for label in np.unique(labels[outer]):
        judged = labels[outer] == label
        share = _within(weights[labels == label], weights[outer[judged]], settings)
        counted[judged] = share / share.mean()
    return counted


def _within(weights: FloatArray, judged: FloatArray, settings: Bilevel) -> FloatArray:
    if not settings.hard:
        return judged
    kept = max(1, int(settings.threshold * len(weights)))
    last = np.partition(weights, len(weights) - kept)[len(weights) - kept]
    # Ties with the last that counts, count; of few rows all may be below it, and then they are all there is.
    counted = judged >= last
    return counted.astype(np.float64) if counted.any() else np.ones(len(judged))


def _class_means(values: FloatArray, labels: IntArray, n_labels: int) -> FloatArray:
    counts = np.bincount(labels, minlength=n_labels)
    sums = np.bincount(labels, values, minlength=n_labels)
    return np.asarray(np.divide(sums, counts, out=np.full(n_labels, np.nan), where=counts > 0))


@dataclass(slots=True)
class _Adam:
    """Adam (Kingma & Ba 2015) with the usual decay rates; torch's would make an import of the linear STMs heavy."""

    lr: float
    steps: int = 0
    first: FloatArray = field(default_factory=lambda: np.zeros(1))
    second: FloatArray = field(default_factory=lambda: np.zeros(1))

    def step(self, gradient: FloatArray) -> FloatArray:
        """Return what to subtract."""
        self.steps += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        mean, square = self.first / (1 - 0.9**self.steps), self.second / (1 - 0.999**self.steps)
        return np.asarray(self.lr * mean / (np.sqrt(square) + 1e-8))
