"""How far one unit, a record or a whole party, can move a sum, and the cut that keeps a party to it."""

import math

import numpy as np

from synthgen.downstream.stm import FloatArray
from synthgen.recipe import Privacy

UP = 1 + 1e-12
"""Factor that covers the rounding of a product of a few floats."""
GRID = 2.0**-20
"""Sums that were scaled down are cut to multiples of this, towards zero: they stay exact, and norms only shrink."""


def unit_sensitivity(privacy: Privacy, *, add: float, replace: float, signed: bool) -> float:
    """Return the L2 sensitivity of a sum over records for the promised unit and adjacency.

    ``add`` and ``replace`` are those of one record. A party's sum is clipped to the norm ``clip * add``: two sums
    without negative numbers are then at most at a right angle, ``signed`` ones may be opposite.
    """
    if privacy.unit == "record":
        return add if privacy.adjacency == "add-remove" else replace
    most = privacy.clip * add * UP
    return most if privacy.adjacency == "add-remove" else most * (2.0 if signed else math.sqrt(2)) * UP


def clipped(total: FloatArray, privacy: Privacy, *, add: float) -> FloatArray:
    """Return a party's sum, scaled down to the norm ``clip * add`` where the promise is to parties."""
    if privacy.unit == "record":
        return total
    most, norm = privacy.clip * add, math.sqrt(math.fsum(np.square(total).tolist())) * UP
    # Cut always, not only where the norm is too large: one grid for all.
    return np.asarray(np.trunc(total * min(1.0, most / norm if norm else 1.0) / GRID) * GRID)
