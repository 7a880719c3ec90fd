"""The linear head of the convex STMs: softmax regression from zero, watched for some epochs, then run to its end."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from synthgen.downstream.softmax import SoftmaxLoss, effective_weights, probabilities
from synthgen.downstream.stm import Features, FloatArray, IntArray

ITERATIONS_PER_EPOCH = 4
"""L-BFGS steps, each over all samples, that count as one epoch.

With 1 every sample's way from 1/C upwards passes for variability, with 6 easy samples hardly move after epoch one.
"""


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A trained head: ``parameters`` (C, d + 1), bias last, of the ``loss`` they minimise.

    ``epoch_probabilities`` (epochs, n, C) belong to the epochs only; the optimum that follows is not among them.
    """

    parameters: FloatArray
    loss: SoftmaxLoss
    epoch_probabilities: FloatArray

    def predict_proba(self, features: Features) -> FloatArray:
        """Return label probabilities, shape ``(n, C)``, rows summing to 1."""
        return probabilities(features, self.parameters)


def fit_head(
    features: Features,
    labels: IntArray,
    weights: FloatArray | None = None,
    *,
    n_labels: int,
    epochs: int = 6,
    converge: bool = True,
    l2: float = 1.0,
) -> HeadFit:
    """Minimise ``SoftmaxLoss`` by L-BFGS from zero; full batches, so no order and no seed enters.

    ``weights`` (n,) pass through ``effective_weights``. Labels that do not occur keep a small probability. Raises
    ``ValueError`` for no samples, no epochs, or weights that are negative or all zero.
    """
    relative = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    if features.shape[0] != len(labels) or len(relative) != len(labels):
        raise ValueError("features, labels and weights differ in length")
    if epochs < 1 or not len(labels) or relative.min() < 0 or relative.max() <= 0:
        raise ValueError("a fit needs an epoch, samples, and weights of which none is negative and one is positive")
    loss = SoftmaxLoss(features, labels, effective_weights(relative), n_labels, l2)
    parameters, seen = _descend(loss, epochs, converge)
    return HeadFit(parameters, loss, np.stack(seen))


def _descend(loss: SoftmaxLoss, epochs: int, converge: bool) -> tuple[FloatArray, list[FloatArray]]:
    scale = 1.0 / loss.weights.sum()
    mean = scale * np.asarray(loss.features.T @ loss.weights)

    # The search runs over (W, b + W mean): on centred features the bias and the frequent words stop fighting,
    # which otherwise throws the second epoch back to chance. The loss itself stays as it is.
    def place(flat: FloatArray) -> FloatArray:
        parameters = flat.reshape(loss.shape).copy()
        parameters[:, -1] -= parameters[:, :-1] @ mean
        return parameters

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = loss.value_and_gradient(place(flat))
        gradient[:, :-1] -= np.outer(gradient[:, -1], mean)
        return scale * value, scale * gradient.ravel()

    seen: list[FloatArray] = []
    steps = 0

    def watch(flat: FloatArray) -> None:
        nonlocal steps
        steps += 1
        if steps % ITERATIONS_PER_EPOCH == 0 and len(seen) < epochs:
            seen.append(probabilities(loss.features, place(flat)))

    flat, _, _ = fmin_l_bfgs_b(
        objective,
        np.zeros(loss.shape).ravel(),
        maxiter=1000 if converge else ITERATIONS_PER_EPOCH * epochs,
        pgtol=1e-7,
        factr=10.0,
        callback=watch,
    )
    parameters = place(flat)
    while len(seen) < epochs:
        seen.append(probabilities(loss.features, parameters))
    return parameters, seen
