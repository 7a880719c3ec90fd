"""Learned sample weights: the closed form against double backward and finite differences, then on real texts."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import rankdata
from torch.func import functional_call, jvp, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthgen.downstream.bilevel import Bilevel, OuterLoss, learn_weights, outer_loss, outer_step, sample_weights
from synthgen.downstream.head import HeadFit, fit_head
from synthgen.downstream.registry import make_stm
from synthgen.downstream.softmax import probabilities
from synthgen.downstream.stm import STM, FloatArray, IntArray
from synthgen.downstream.tfidf import TfidfSTM

Read = Callable[[str, int], tuple[list[str], IntArray]]
KINDS: tuple[OuterLoss, ...] = get_args(OuterLoss)
Direction = dict[str, torch.Tensor]


@dataclass
class TorchFit:
    """A float64 torch network as a fit, its derivatives by torch.func."""

    net: torch.nn.Module

    @property
    def parameters(self) -> Direction:
        return {name: value.detach() for name, value in self.net.named_parameters()}

    @property
    def epoch_probabilities(self) -> FloatArray:
        raise NotImplementedError

    def linear(self) -> Any:
        raise NotImplementedError

    def logits(self, features: Any) -> Callable[[Mapping[str, torch.Tensor]], torch.Tensor]:
        rows = torch.as_tensor(features)
        return lambda parameters: functional_call(self.net, dict(parameters), (rows,))

    def predict_proba(self, features: Any) -> FloatArray:
        return np.asarray(self.logits(features)(self.parameters).softmax(dim=1).detach())

    def pull(self, features: Any, slopes: FloatArray) -> Direction:
        _, back = vjp(self.logits(features), self.parameters)
        (gradient,) = back(torch.as_tensor(slopes))
        return dict(gradient)

    def push(self, features: Any, direction: Direction) -> FloatArray:
        # The fused kernels of attention know no forward derivative, and torch warns of its own use of torch.jit.
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return np.asarray(jvp(self.logits(features), (self.parameters,), (direction,))[1].detach())


def network(kind: str) -> TorchFit:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers: list[torch.nn.Module] = [torch.nn.Linear(6, 3)]
        if kind == "layers":
            mix = torch.nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, activation="gelu", batch_first=True)
            layers = [torch.nn.Unflatten(1, (2, 3)), torch.nn.Linear(3, 6), mix, torch.nn.Flatten()]
            layers += [torch.nn.LayerNorm(12), torch.nn.Linear(12, 3)]
        return TorchFit(torch.nn.Sequential(*layers).double())


def blobs(n: int = 40, seed: int = 0) -> tuple[FloatArray, IntArray, FloatArray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    return np.eye(3, 6)[labels] + random.normal(size=(n, 6)), labels, random.normal(size=n)


def torch_loss(logits: torch.Tensor, labels: torch.Tensor, kind: str) -> torch.Tensor:
    """Return each row's outer loss, written as in the paper's formulas."""
    p, onehot = logits.softmax(dim=1), torch.nn.functional.one_hot(labels, logits.shape[1]).double()
    target = (10 * onehot).softmax(dim=1)
    return {
        "combined": (p * (p.log() - target.log()) - p * p.log()).sum(dim=1),
        "ce": -(onehot * p.log()).sum(dim=1),
        "kl": (p * (p.log() - target.log())).sum(dim=1),
        "entropy": -(p * p.log()).sum(dim=1),
        "mae": (onehot * (1 - p)).sum(dim=1),
    }[kind]


def double_backward(
    fit: TorchFit, rows: FloatArray, labels: IntArray, theta: FloatArray, counted: FloatArray, settings: Bilevel
) -> tuple[FloatArray, float]:
    """Return the gradient by theta the published way: through a differentiable step of plain gradient descent."""
    with sdpa_kernel(SDPBackend.MATH):
        return _double_backward(fit, rows, labels, theta, counted, settings)


def _double_backward(
    fit: TorchFit, rows: FloatArray, labels: IntArray, theta: FloatArray, counted: FloatArray, settings: Bilevel
) -> tuple[FloatArray, float]:
    net, x, y = fit.net, torch.as_tensor(rows), torch.as_tensor(labels)
    outer = torch_loss(net(x), y, settings.outer) * torch.as_tensor(counted)
    moving = list(net.parameters())
    wanted = list(torch.autograd.grad(outer.sum(), moving))
    free = torch.tensor(theta, requires_grad=True)
    weights = torch.sigmoid(free)
    logits = net(x)
    if settings.normalise:
        means = torch.stack([weights[y == label].mean() for label in range(3)])
        weights = weights * (weights.mean() / means)[y].detach()
        # As if the step also moved an offset of the logits, whose outer gradient undoes their mean change.
        change = fit.push(rows, dict(zip(fit.parameters, wanted, strict=True)))
        wanted.append(-torch.tensor(np.average(change, axis=0, weights=weights.detach().numpy())))
        moving.append(torch.zeros(3, dtype=torch.float64, requires_grad=True))
        logits = logits + moving[-1]
    losses = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    inner = (weights * losses).sum() / weights.sum().detach()
    slopes = torch.autograd.grad(inner, moving, create_graph=True)
    moved = [value - settings.inner_lr * slope for value, slope in zip(moving, slopes, strict=True)]
    (gradient,) = torch.autograd.grad(moved, [free], grad_outputs=wanted)
    return np.asarray(gradient), float(outer.sum().detach() / counted.sum())


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("kind", ["softmax", "layers"])
def test_the_closed_form_equals_double_backward(kind: str, outer: OuterLoss, normalise: bool) -> None:
    fit, (rows, labels, theta) = network(kind), blobs()
    settings = Bilevel(outer=outer, normalise=normalise, inner_lr=0.5, threshold=1)
    gradient, loss = outer_step(fit, rows, labels, theta, np.arange(40), settings)
    expected, value = double_backward(fit, rows, labels, theta, np.ones(40), settings)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    assert loss == pytest.approx(value, rel=1e-10)


def test_the_closed_form_is_the_slope_of_the_one_step_objective() -> None:
    """On the head of the linear STMs, by moving each theta: the loss after the step that ends at the fit."""
    rows, labels, theta = blobs()
    settings = Bilevel(inner_lr=0.3, normalise=False, threshold=1)
    fit = fit_head(rows, labels, sample_weights(theta, labels, settings), n_labels=3, short=True)
    gradient, _ = outer_step(fit, rows, labels, theta, np.arange(40), settings)
    total = expit(theta).sum()

    def objective(place: int, change: float) -> float:
        other = theta.copy()
        other[place] += change
        slopes = probabilities(rows, fit.parameters) - np.eye(3)[labels]
        step = fit.pull(rows, (expit(other) - expit(theta))[:, None] * slopes)
        moved = probabilities(rows, fit.parameters - settings.inner_lr / total * step)
        return float(outer_loss(moved, labels, "combined")[0].sum())

    small = 1e-4
    slopes = [(objective(place, small) - objective(place, -small)) / (2 * small) for place in range(40)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS), size=st.floats(0.01, 30), n_labels=st.integers(2, 6))
def test_slopes_of_outer_losses(seed: int, kind: OuterLoss, size: float, n_labels: int) -> None:
    random = np.random.default_rng(seed)
    logits, labels = random.normal(size=(4, n_labels)) * size, random.integers(0, n_labels, 4)
    direction = random.normal(size=logits.shape)
    _, slopes = outer_loss(softmax(logits, axis=1), labels, kind)
    up, down = (outer_loss(softmax(logits + sign * 1e-5 * direction, axis=1), labels, kind)[0] for sign in (1.0, -1.0))
    np.testing.assert_allclose((slopes * direction).sum(axis=1), (up - down) / 2e-5, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slopes.sum(axis=1), 0, atol=1e-9)


def test_reverse_cross_entropy_is_the_labels_probability_and_stays_finite() -> None:
    chances = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
    labels = np.array([0, 2, 1])
    values, _ = outer_loss(chances, labels, "combined")
    np.testing.assert_allclose(values, np.log(np.exp(10) + 2) - 10 * chances[[0, 1, 2], labels])
    for kind in KINDS:
        assert all(np.isfinite(part).all() for part in outer_loss(chances, labels, kind))


@given(seed=st.integers(0, 10**6), spread=st.floats(0, 40), lean=st.floats(-20, 20))
def test_normalised_labels_keep_their_share_of_the_weight(seed: int, spread: float, lean: float) -> None:
    random = np.random.default_rng(seed)
    labels = np.append(random.integers(0, 3, 30), [0, 1, 2])
    theta = random.normal(size=33) * spread + lean * labels
    weights = sample_weights(theta, labels, Bilevel())
    counts, total = np.bincount(labels), weights.sum()
    np.testing.assert_allclose(np.bincount(labels, weights) / total, counts / 33, rtol=1e-9)
    for label in range(3):
        assert (np.diff(weights[labels == label][np.argsort(theta[labels == label])]) >= 0).all()


@pytest.mark.parametrize("clip", [3.0, 1e-4])
def test_the_whole_loop_is_torchs_adam_on_clipped_gradients(clip: float) -> None:
    fit, (rows, labels, _) = network("layers"), blobs()
    settings = Bilevel(iterations=7, clip=clip, normalise=False, threshold=0.8)
    learned = learn_weights(lambda *_, **__: fit, rows, labels, n_labels=3, seed=0, settings=settings)
    theta = torch.zeros(40, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theta], lr=0.25)
    for step in range(7):
        now = theta.detach().numpy().copy()
        counted = (now >= np.sort(now)[40 - 32]).astype(float)
        gradient, loss = double_backward(fit, rows, labels, now, counted, settings)
        theta.grad = torch.tensor(gradient)
        norm = torch.nn.utils.clip_grad_norm_([theta], clip)
        assert (float(norm) > clip) == (clip < 1)
        adam.step()
        assert learned.outer_losses[step] == pytest.approx(loss)
    np.testing.assert_allclose(learned.theta, theta.detach().numpy(), rtol=1e-3 if clip < 1 else 1e-8)


def test_judging_by_a_few_is_seeded_and_reads_no_others() -> None:
    rows, labels, _ = blobs(60)
    settings = Bilevel(outer_samples=12, iterations=6)
    asked: list[tuple[int, ...]] = []

    class Watched(HeadFit):
        def pull(self, features: Any, slopes: FloatArray) -> FloatArray:
            asked.append(features.shape)
            return super().pull(features, slopes)

    def fit(*given: Any, **named: Any) -> HeadFit:
        made = fit_head(*given, **named)
        return Watched(made.loss, made.steps)

    one, again, other = (
        learn_weights(fit, rows, labels, n_labels=3, seed=seed, settings=settings).theta for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1
    assert set(asked) == {(12, 6)}


def area(scores: FloatArray, bad: Any) -> float:
    """Return the chance that a good sample scores higher than a bad one (AUC)."""
    ranks, good = rankdata(scores), ~bad
    return float((ranks[good].sum() - good.sum() * (good.sum() + 1) / 2) / (good.sum() * bad.sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("plm", ["vicuna-7b-1.5v", "llama-2-7b-chat-hf"])
def test_planted_wrong_labels_lose_their_weight(recorded: Read, plm: str, seed: int) -> None:
    texts, labels = recorded(plm, 1000)
    wrong = np.random.default_rng(seed).random(1000) < 0.2
    marked = np.where(wrong, 1 - labels, labels)
    stm = TfidfSTM()
    features = stm.start(texts)
    learned = learn_weights(stm.fit, features, marked, n_labels=2, seed=seed, settings=Bilevel())
    found = area(learned.weights, wrong)
    print(f"{plm} seed {seed}: AUC {found:.3f}")
    assert found > 0.85
    assert learned.split < 1e-9
    # The STM, trained by the weights, contradicts the wrong labels that it used to believe.
    given, weighted = (
        stm.fit(features, marked, weights, n_labels=2).predict_proba(features) for weights in (None, learned.weights)
    )
    plain, better = ((chances.argmax(axis=1) == labels).mean() for chances in (given, weighted))
    assert better > plain


@pytest.fixture(params=["tfidf", "embedding", "encoder"])
def stm(request: pytest.FixtureRequest) -> STM:
    folders = {"embedding": "tiny_encoder", "encoder": "tiny_bert"}
    if request.param == "tfidf":
        return make_stm("tfidf", seed=0)
    folder: Path = request.getfixturevalue(folders[request.param])
    options = {"lr": 3e-3, "batch": 4, "held_out": 0} if request.param == "encoder" else {}
    return make_stm(f"{request.param}:{folder}", seed=0, options=options)


def test_every_stm_can_have_its_samples_weighed(stm: STM, reviews: Callable[[int, int], Any]) -> None:
    texts, labels = reviews(160, 0)
    wrong = np.random.default_rng(0).random(160) < 0.15
    marked = np.where(wrong, 1 - labels, labels)
    settings = Bilevel(iterations=12)
    learned = learn_weights(stm.fit, stm.start(texts), marked, n_labels=2, seed=0, settings=settings)
    assert learned.outer_losses.shape == (12,)
    assert learned.class_means.shape == (12, 2)
    assert area(learned.weights, wrong) > 0.95
