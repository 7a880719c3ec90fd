"""No neighbouring private sets exceed the bounds, and for every bound there are two that attain it."""

import math
from fractions import Fraction
from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.privacy.sensitivity import Adjacency, Design, histogram_sensitivity, vote_norm

Record = tuple[str, tuple[int, ...]]  # its class and its similarity to each sample of the pool


def histograms(records: list[Record], pool: str, q: int, design: Design) -> list[Fraction]:
    """Return what a design releases, exactly: the pool is one letter (a class) a sample."""
    near = [Fraction(0)] * len(pool)
    far = [Fraction(0)] * len(pool)
    for label, similarity in records:
        mine = [position for position, letter in enumerate(pool) if letter == label]
        for histogram, sign in ((near, -1), (far, 1)):
            ranked = sorted(mine, key=lambda position, sign=sign: (sign * similarity[position], position))
            for rank, position in enumerate(ranked[:q]):
                histogram[position] += Fraction(1, 2**rank)
    if design == "near":
        return near
    return near + far if design == "two" else [n - f for n, f in zip(near, far, strict=True)]


def squared_distance(one: list[Fraction], other: list[Fraction]) -> Fraction:
    return sum(((a - b) ** 2 for a, b in zip(one, other, strict=True)), Fraction(0))


def neighbours(records: list[Record], new: Record, adjacency: Adjacency) -> tuple[list[Record], list[Record]]:
    return (records, records[1:]) if adjacency == "add-remove" else (records, [new, *records[1:]])


CASES = list(product(get_args(Design), get_args(Adjacency)))


@given(data=st.data(), q=st.integers(1, 8))
def test_no_pair_of_neighbours_exceeds_the_bound(data: st.DataObject, q: int) -> None:
    # Few similarities, so there are ties; three classes, often small or empty.
    pool = data.draw(st.text("abc", max_size=20))
    similarity = st.tuples(*[st.integers(0, 3) for _ in pool])
    records = data.draw(st.lists(st.tuples(st.sampled_from("abc"), similarity), min_size=1, max_size=4))
    new = data.draw(st.tuples(st.sampled_from("abc"), similarity))
    for design, adjacency in CASES:
        one, other = neighbours(records, new, adjacency)
        moved = squared_distance(histograms(one, pool, q, design), histograms(other, pool, q, design))
        assert moved <= Fraction(histogram_sensitivity(q, design=design, adjacency=adjacency)) ** 2


@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_pair_of_orders_of_a_small_class_stays_within_the_bound(q: int, size: int) -> None:
    pool = "a" * size
    orders: list[Record] = [("a", similarity) for similarity in product(range(size), repeat=size)]
    for design, adjacency in CASES:
        alone = {tuple(histograms([record], pool, q, design)) for record in orders}
        others = (
            alone if adjacency == "replace-one" else {tuple([Fraction(0)] * (size * (2 if design == "two" else 1)))}
        )
        worst = max(squared_distance(list(a), list(b)) for a in alone for b in others)
        assert worst <= Fraction(histogram_sensitivity(q, design=design, adjacency=adjacency)) ** 2
        if size >= 2 * q:
            assert math.sqrt(worst) == pytest.approx(
                histogram_sensitivity(q, design=design, adjacency=adjacency), rel=1e-15
            )


@pytest.mark.parametrize("q", range(1, 9))
@pytest.mark.parametrize(("design", "adjacency"), CASES)
def test_the_two_ends_of_an_arc_attain_the_bound(q: int, design: Design, adjacency: Adjacency) -> None:
    """Real unit vectors: 2q samples along half a circle, one private record at an end of it, moved to the other end."""
    angles = np.linspace(0, math.pi, 2 * q)
    samples = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    start, end = (tuple(np.round(samples @ samples[at] * 1e6).astype(int).tolist()) for at in (0, -1))
    one, other = neighbours([("a", start)], ("a", end), adjacency)
    pool = "a" * (2 * q)
    moved = squared_distance(histograms(one, pool, q, design), histograms(other, pool, q, design))
    bound = histogram_sensitivity(q, design=design, adjacency=adjacency)
    assert Fraction(bound) ** 2 >= moved
    assert Fraction(math.nextafter(bound, 0)) ** 2 < moved, "the bound is the float next above"


def test_published_values() -> None:
    assert vote_norm(1) == 1
    assert vote_norm(8) == pytest.approx(1.154692, abs=1e-6)
    assert histogram_sensitivity(8, design="two", adjacency="add-remove") == pytest.approx(1.632981, abs=1e-6)
    assert histogram_sensitivity(8, design="two", adjacency="replace-one") == pytest.approx(2.3094, abs=1e-4)
    assert histogram_sensitivity(8, design="near", adjacency="replace-one") == pytest.approx(1.6330, abs=1e-4)
    assert histogram_sensitivity(8, design="signed", adjacency="add-remove") == pytest.approx(1.6330, abs=1e-4)
    assert histogram_sensitivity(8, design="signed", adjacency="replace-one") == pytest.approx(3.2660, abs=1e-4)
    assert histogram_sensitivity(1, design="near", adjacency="replace-one") == pytest.approx(math.sqrt(2), rel=1e-15)


@given(st.integers(1, 200))
def test_the_norm_is_that_of_the_weights_rounded_up(q: int) -> None:
    exact = sum((Fraction(1, 4**rank) for rank in range(q)), Fraction(0))
    assert Fraction(math.nextafter(vote_norm(q), 0)) ** 2 < exact <= Fraction(vote_norm(q)) ** 2


@pytest.mark.parametrize("q", [0, -1])
def test_no_votes_are_refused(q: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        vote_norm(q)
    with pytest.raises(ValueError, match="at least one"):
        histogram_sensitivity(q, design="near", adjacency="add-remove")


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="three"):
        histogram_sensitivity(8, design="three", adjacency="add-remove")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="user"):
        histogram_sensitivity(8, design="near", adjacency="user")  # type: ignore[arg-type]
