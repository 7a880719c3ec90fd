"""How much each candidate, trained on once more, would change the validation loss of a linear head."""

from typing import Literal, TypeAlias

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from synthgen.downstream.head import HeadFit
from synthgen.downstream.rows import shared
from synthgen.downstream.softmax import back, probabilities, scores
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
    columns = np.append(_used_columns(loss.features), loss.features.shape[1])
    chances = probabilities(loss.features, fit.parameters)
    shape = (loss.n_labels, len(columns))
    whole = np.zeros(loss.shape)

    def product(flat: FloatArray) -> FloatArray:
        whole[:, columns] = flat.reshape(shape)
        return np.asarray(loss.hessian_product(chances, whole)[:, columns].ravel())

    size = loss.n_labels * len(columns)
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    found, failed = cg(operator, vector[:, columns].ravel(), rtol=tolerance, atol=0.0, maxiter=10_000)
    if failed:
        raise ArithmeticError("conjugate gradients did not converge; is the fit converged and l2 positive?")
    solved = vector / loss.l2
    solved[:, columns] = np.asarray(found).reshape(shape)
    return solved


def _used_columns(features: Features) -> IntArray:
    if isinstance(features, np.ndarray):
        return np.arange(features.shape[1])
    return np.flatnonzero(shared(features).used())
