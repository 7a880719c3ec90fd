"""How much each candidate, trained on once more, would change the validation loss of a linear head."""

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix, issparse
from scipy.sparse.linalg import LinearOperator, cg

from synthgen.downstream.head import HeadFit
from synthgen.downstream.softmax import SoftmaxLoss, back, probabilities, scores
from synthgen.downstream.stm import Features, Fit, FloatArray, IntArray

ValidationLoss: TypeAlias = Literal["probability", "cross_entropy"]


def influence(
    fit: Fit,
    validation: tuple[Features, IntArray],
    candidates: tuple[Features, IntArray],
    *,
    loss: ValidationLoss = "probability",
) -> FloatArray:
    """Return for each candidate the predicted change of the mean validation loss per unit of weight added, ``(n,)``.

    Negative is helpful: ``argsort()`` puts the most helpful first. Koh & Liang 2017, eq. 2: for a candidate z,
    ``dL_val/dw_z = -grad L_val(T)' H^-1 grad CE(z, T)``, here with one solve ``s = H^-1 grad L_val`` for the mean
    validation loss and the exact Hessian of the training loss, both of ``fit.linear()``. ``fit`` must have converged.
    ``validation`` and ``candidates`` are (features, label ids) in the space of the fit. See ``validation_gradient`` for
    ``loss``.
    """
    head, represent = fit.linear()
    gradient = validation_gradient(head.parameters, represent(validation[0]), validation[1], loss=loss)
    solved = inverse_hessian_product(head, gradient)
    features, labels = represent(candidates[0]), candidates[1]
    slopes = probabilities(features, head.parameters)
    slopes[np.arange(len(labels)), labels] -= 1.0
    result: FloatArray = -(slopes * scores(features, solved)).sum(axis=1)
    return result


def validation_gradient(
    parameters: FloatArray, features: Features, labels: IntArray, *, loss: ValidationLoss = "probability"
) -> FloatArray:
    """Return the gradient (C, d + 1) of the mean validation loss.

    ``probability``: minus the label's probability, which is reverse cross-entropy up to a constant and is not ruled by
    the few samples the model gets most wrong; ``cross_entropy``: minus its logarithm.
    """
    chances = probabilities(features, parameters)
    rows = np.arange(len(labels))
    factor = chances[rows, labels] if loss == "probability" else np.ones(len(labels))
    slopes = chances
    slopes[rows, labels] -= 1.0
    return back(features, (factor / len(labels))[:, None] * slopes)


def inverse_hessian_product(fit: HeadFit, vector: FloatArray, tolerance: float = 1e-8) -> FloatArray:
    """Return ``H^-1 vector`` (C, d + 1) by conjugate gradients to a relative residual of ``tolerance``.

    Columns that no training sample uses are solved in closed form. Raises ``ArithmeticError`` without convergence.
    """
    loss = fit.loss
    active = _active_columns(loss.features)
    columns = np.append(active, loss.features.shape[1])
    small = replace(loss, features=loss.features[:, active])
    chances = probabilities(loss.features, fit.parameters)
    solved = vector / loss.l2
    solved[:, columns] = _solve(small, chances, vector[:, columns], tolerance)
    return solved


def _solve(loss: SoftmaxLoss, chances: FloatArray, vector: FloatArray, tolerance: float) -> FloatArray:
    def product(flat: FloatArray) -> FloatArray:
        return loss.hessian_product(chances, flat.reshape(loss.shape)).ravel()

    operator = LinearOperator((vector.size, vector.size), matvec=product, dtype=np.float64)
    solved, failed = cg(operator, vector.ravel(), rtol=tolerance, atol=0.0, maxiter=10_000)
    if failed:
        raise ArithmeticError("conjugate gradients did not converge; is the fit converged and l2 positive?")
    return np.asarray(solved).reshape(loss.shape)


def _active_columns(features: Features) -> IntArray:
    if issparse(features):
        return np.unique(csr_matrix(features).indices).astype(np.int64)
    return np.arange(features.shape[1])
