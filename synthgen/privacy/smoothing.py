"""Read a noised sum of private embeddings: how close the private records of a label are to each synthetic sample."""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthgen.privacy.embedded import Embedded

FloatArray = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.float32] | Embedded

STRENGTHS = 2.0 ** np.arange(-10, 21)
"""Prior variances tried along the widest direction, in units of the noise variance."""

BLOCK = 4096


def closeness(total: FloatArray, sigma: float, samples: Rows) -> FloatArray:
    """Return (n,) estimates of ``samples @ sum``, ``total`` (d,) being that sum plus Gaussian noise of ``sigma``.

    The sum is over the unit rows of the private records of one label, ``samples`` (n, d) are the unit rows of the
    synthetic samples of that label: the estimate is the summed cosine of a sample to all private records. Nothing
    private is read but ``total``, so this costs no privacy (post-processing).

    Linear Gaussian regression: the sum is taken to be N(0, k C) beforehand, where C = samples' samples / n, and k is
    the value of ``STRENGTHS`` with the largest marginal likelihood of ``total``; the estimate is the posterior mean,
    samples k C (k C + sigma^2 I)^-1 total. In the eigenvectors of C each coordinate is multiplied by
    k c / (k c + sigma^2): noise along directions in which no samples lie is dropped, and along few-sample directions
    weakened. Where the noise is small next to the sum this is ``samples @ total``, as with ``sigma`` 0.

    Memory is d^2 and one block of samples. Raises ValueError where shapes or sigma make no sense.
    """
    total = np.asarray(total, dtype=np.float64)
    if samples.ndim != 2 or total.shape != (samples.shape[1],):
        raise ValueError(f"a total of shape {total.shape} does not go with samples of shape {samples.shape}")
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be 0 or more and finite, not {sigma}")
    if not len(samples):
        return np.empty(0)
    return _times(samples, total if sigma == 0 else _posterior_mean(total, sigma, samples))


def _posterior_mean(total: FloatArray, sigma: float, samples: Rows) -> FloatArray:
    spread, axes = np.linalg.eigh(_second_moment(samples))
    spread = np.maximum(spread, 0.0)
    widest = spread[-1]
    if widest == 0:
        return np.zeros_like(total)
    along = axes.T @ (total / sigma)
    # Rows: one strength each; variances in units of sigma^2.
    variances = 1.0 + np.outer(STRENGTHS, spread / widest)
    likelihoods = -0.5 * (along**2 / variances + np.log(variances)).sum(axis=1)
    variance = variances[int(np.argmax(likelihoods))]
    mean: FloatArray = sigma * (axes @ ((1.0 - 1.0 / variance) * along))
    return mean


def _second_moment(samples: Rows) -> FloatArray:
    moment = np.zeros((samples.shape[1], samples.shape[1]))
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK].astype(np.float64)
        moment += block.T @ block
    return moment / len(samples)


def _times(samples: Rows, direction: FloatArray) -> FloatArray:
    blocks = range(0, len(samples), BLOCK)
    return np.concatenate([samples[start : start + BLOCK].astype(np.float64) @ direction for start in blocks])
