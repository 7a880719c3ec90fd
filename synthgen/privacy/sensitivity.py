"""How far one private record can move the vote histograms, in L2: exact bounds, rounded up."""

import math
from fractions import Fraction
from typing import Literal

Design = Literal["near", "two", "signed"]
Adjacency = Literal["add-remove", "replace-one"]

_SQUARED = {  # times the squared norm of the votes
    ("near", "add-remove"): 1,
    ("near", "replace-one"): 2,
    ("two", "add-remove"): 2,
    ("two", "replace-one"): 4,
    ("signed", "add-remove"): 2,
    ("signed", "replace-one"): 8,
}


def vote_norm(q: int) -> float:
    """Return the L2 norm of one record's votes (1, 1/2, ..., 1/2^(q-1)), rounded up to a float.

    Its square is 4/3 (1 - 4^-q). Raises ValueError for q < 1.
    """
    return _root_above(_squared_norm(q))


def histogram_sensitivity(q: int, *, design: Design, adjacency: Adjacency) -> float:
    """Return the largest L2 distance between the histograms of two neighbouring private sets, rounded up to a float.

    A record votes for min(``q``, class size) synthetic samples of its class with weights v = (1, 1/2, ...): n for
    its nearest, f for its furthest. Both are non-negative with at most the norm |v|, whatever the ties and however
    small the class, and they depend on that record and on the synthetic samples only. The histograms are sums over
    records, so one record added or removed moves them by its own votes, one replaced by the difference of two votes:

    =========  =====================  ==================  =================================================
    design     released               add-remove          replace-one (old votes n, f; new votes n', f')
    =========  =====================  ==================  =================================================
    near       sum of n               |n|   <= |v|        |n - n'| <= sqrt(2) |v|, as n.n' >= 0
    two        sum of n, sum of f     sqrt(2) |v|         2 |v|, the line above for both
    signed     sum of n - f           sqrt(2) |v|         2 sqrt(2) |v|
    =========  =====================  ==================  =================================================

    Signed, add-remove: |n - f|^2 = |n|^2 + |f|^2 - 2 n.f <= 2 |v|^2, as n.f >= 0. Signed, replace-one: by the
    triangle inequality |(n - f) - (n' - f')| is at most twice that. No smaller bound holds: with 2q samples along an
    arc, the records at its two ends have n' = f and f' = n, disjoint, so the difference is 2 (n - f). A record whose
    class changes too has no bin in common with the old one and moves the signed histogram by 2 |v| only, the
    others by as much as the table says. Raises ValueError for q < 1 and for another design or adjacency.
    """
    if (design, adjacency) not in _SQUARED:
        raise ValueError(f"no such design and adjacency: {design!r}, {adjacency!r}")
    return _root_above(_SQUARED[design, adjacency] * _squared_norm(q))


def _squared_norm(q: int) -> Fraction:
    if q < 1:
        raise ValueError(f"a record has at least one vote, not {q}")
    return Fraction(4**q - 1, 3 * 4 ** (q - 1))


def _root_above(square: Fraction) -> float:
    """Return the smallest float whose exact square is at least ``square``."""
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    while Fraction(below := math.nextafter(root, 0)) ** 2 >= square:
        root = below
    return root
