from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.privacy.voting import Embeddings, FloatArray, IntArray, Voting, quantised

BLOCKS = st.tuples(st.integers(1, 9), st.integers(1, 9))


@dataclass
class Case:
    private: Embeddings
    private_labels: IntArray
    samples: Embeddings
    labels: IntArray
    votes: int

    def voting(self, block: tuple[int, int] = (512, 2048), cuts: tuple[int, ...] = ()) -> Voting:
        voting = Voting(self.private, self.private_labels, votes=self.votes, block=block)
        edges = [0, *sorted(min(cut, len(self.samples)) for cut in cuts), len(self.samples)]
        for start, stop in pairwise(edges):
            voting.add(self.samples[start:stop], self.labels[start:stop])
        return voting

    def without(self, record: int) -> "Case":
        private, labels = np.delete(self.private, record, axis=0), np.delete(self.private_labels, record)
        return Case(private, labels, self.samples, self.labels, self.votes)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw few different rows of few small numbers, so that ties and duplicates are common, in one to three classes."""
    classes, dim = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    palette = draw(arrays(np.int64, (draw(st.integers(1, 6)), dim), elements=st.integers(-2, 2)))

    def side(least: int, most: int) -> tuple[Embeddings, IntArray]:
        size = draw(st.integers(least, most))
        rows = draw(arrays(np.int64, size, elements=st.integers(0, len(palette) - 1)))
        labels = draw(arrays(np.int64, size, elements=st.integers(0, classes - 1)))
        return palette[rows].astype(np.float32), labels

    return Case(*side(1, 12), *side(0, 150), draw(st.integers(1, 20)))


def naive(case: Case, sign: int) -> IntArray:
    """Rank one private record after the other, in whole numbers of 64 bits."""
    found = np.full((len(case.private), case.votes), -1)
    for record, row in enumerate(case.private.astype(np.int64)):
        own = np.flatnonzero(case.labels == case.private_labels[record])
        scores = case.samples[own].astype(np.int64) @ row
        best = own[np.argsort(-sign * scores, kind="stable")][: case.votes]
        found[record, : len(best)] = best
    return found


def histogram(positions: IntArray, size: int) -> list[Fraction]:
    votes = [Fraction(0)] * size
    for row in positions:
        for rank, position in enumerate(row):
            if position >= 0:
                votes[position] += Fraction(1, 2**rank)
    return votes


def unit_rows(count: int, dim: int, seed: int) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(cases(), BLOCKS, st.lists(st.integers(0, 150), max_size=4).map(tuple))
def test_any_blocks_and_batches_rank_as_one_sort_would(
    case: Case, block: tuple[int, int], cuts: tuple[int, ...]
) -> None:
    voting = case.voting(block, cuts)
    near, far = naive(case, 1), naive(case, -1)
    np.testing.assert_array_equal(voting.near, near)
    np.testing.assert_array_equal(voting.far, far)
    for counted, ranked in zip(voting.histograms(), (near, far), strict=True):
        assert counted.dtype == np.float64
        assert [Fraction(votes) for votes in counted] == histogram(ranked, len(case.samples))


def test_wide_blocks_on_several_threads_rank_as_one_sort_would() -> None:
    labels = np.random.default_rng(3).integers(0, 3, size=5000)
    case = Case(quantised(unit_rows(700, 24, 1)), labels[:700], quantised(unit_rows(5000, 24, 2)), labels, 8)
    for voting in (case.voting(), case.voting((100, 3000), (1, 2500)), case.voting((64, 64))):
        np.testing.assert_array_equal(voting.near, naive(case, 1))
        np.testing.assert_array_equal(voting.far, naive(case, -1))


@pytest.mark.parametrize("turn", [1, -1])
def test_samples_that_become_nearer_one_by_one(turn: int) -> None:
    angles = np.linspace(0, np.pi, 3000)[::turn]
    rows = quantised(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    case = Case(rows[[0, 1500, 2999]], np.zeros(3, dtype=np.int64), rows, np.zeros(3000, dtype=np.int64), 8)
    np.testing.assert_array_equal(case.voting((2, 1000), (2000,)).near, naive(case, 1))


@given(cases(), BLOCKS, BLOCKS, st.data())
def test_one_record_moves_the_histograms_by_its_own_votes(
    case: Case, block: tuple[int, int], other: tuple[int, int], data: st.DataObject
) -> None:
    record = data.draw(st.integers(0, len(case.private) - 1))
    whole, rest = case.voting(block), case.without(record).voting(other)
    np.testing.assert_array_equal(np.delete(whole.near, record, axis=0), rest.near)
    bound = sum(Fraction(1, 4**rank) for rank in range(case.votes))
    for full, less, own in zip(whole.histograms(), rest.histograms(), whole.histograms_of([record]), strict=True):
        moved = [Fraction(a) - Fraction(b) for a, b in zip(full, less, strict=True)]
        assert moved == [Fraction(votes) for votes in own]
        assert sum(step**2 for step in moved) <= bound


def test_a_record_with_enough_samples_moves_the_histogram_by_the_whole_norm() -> None:
    case = Case(
        quantised(unit_rows(1, 16, 5)),
        np.zeros(1, np.int64),
        quantised(unit_rows(60, 16, 6)),
        np.zeros(60, np.int64),
        8,
    )
    near, far = case.voting().histograms()
    assert np.square(near).sum() == np.square(far).sum() == (1 - 0.25**8) / 0.75
    # Near and far share no sample here; both together are the published 1.633 for Q = 8.
    assert np.sqrt(np.square(near).sum() + np.square(far).sum()) == pytest.approx(1.632981, abs=1e-6)


@given(cases(), st.data())
def test_the_order_of_records_is_irrelevant(case: Case, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(case.private)))))
    shuffled = Case(case.private[order], case.private_labels[order], case.samples, case.labels, case.votes)
    voting, other = case.voting(), shuffled.voting((2, 3))
    np.testing.assert_array_equal(voting.near[order], other.near)
    np.testing.assert_array_equal(voting.histograms(), other.histograms())


@given(cases(), st.data())
def test_parties_add_up_to_the_whole(case: Case, data: st.DataObject) -> None:
    party = data.draw(arrays(np.int64, len(case.private), elements=st.integers(0, 3)))
    voting = case.voting()
    parts = [voting.histograms_of(np.flatnonzero(party == one)) for one in range(4)]
    np.testing.assert_array_equal(np.sum(parts, axis=0), voting.histograms())
    np.testing.assert_array_equal(voting.histograms_of(party == 0), parts[0])


@given(cases(), st.data())
def test_shares_are_each_records_vote_mass_by_owner(case: Case, data: st.DataObject) -> None:
    owners = data.draw(arrays(np.int64, len(case.samples), elements=st.integers(0, 3)))
    shares = case.voting().shares(owners, 4)
    present = np.isin(case.private_labels, case.labels)
    assert (shares >= 0).all()
    np.testing.assert_array_equal(shares.sum(axis=1), present.astype(float))
    for row, positions in zip(shares[present], naive(case, 1)[present], strict=True):
        votes = histogram(positions[None], len(case.samples))
        mass = [sum((votes[at] for at in np.flatnonzero(owners == owner)), Fraction(0)) for owner in range(4)]
        assert row == pytest.approx([float(one / sum(mass)) for one in mass], abs=4 * 2.0**-30)


@given(cases(), st.data())
def test_sums_of_shares_are_exact(case: Case, data: st.DataObject) -> None:
    owners = data.draw(arrays(np.int64, len(case.samples), elements=st.integers(0, 3)))
    shares = case.voting().shares(owners, 4)
    exact = [sum((Fraction(part) for part in column), Fraction(0)) for column in shares.T]
    assert [Fraction(total) for total in shares.sum(axis=0)] == exact


def test_ten_records_with_eight_votes_cast_2550_units() -> None:
    # The recorded votes of one published run sum to 1 in units of 1/2550: M = 10, Q = 8, a unit being the last vote.
    case = Case(
        quantised(unit_rows(10, 8, 1)),
        np.repeat([0, 1], 5),
        quantised(unit_rows(1080, 8, 2)),
        np.repeat([0, 1], 540),
        8,
    )
    voting = case.voting()
    for votes in voting.histograms():
        assert votes.sum() == 10 * 1.9921875
        units = votes / votes.sum() * 2550
        np.testing.assert_allclose(units, np.rint(units), atol=1e-9)
        assert (units > 0.5).sum() <= 80
    for votes in voting.histograms_of([7]):
        assert votes.sum() == 1.9921875


def test_a_class_on_one_side_only() -> None:
    rows = quantised(unit_rows(4, 3, 0))
    voting = Voting(rows[:2], [5, 6], votes=2)
    voting.add(rows, [5, 7, 7, 5])
    assert set(voting.near[0]) == {0, 3}
    assert voting.near[1].tolist() == voting.far[1].tolist() == [-1, -1]
    assert voting.histograms()[0][1:3].tolist() == [0, 0]
    assert voting.shares([0, 0, 0, 0], 1).tolist() == [[1], [0]]


def test_without_the_furthest() -> None:
    rows = quantised(unit_rows(9, 3, 0))
    voting = Voting(rows[:2], [0, 0], votes=2, both=False)
    voting.add(rows, [0] * 9)
    assert voting.near[:, 0].tolist() == [0, 1]
    assert voting.far.tolist() == [[-1, -1], [-1, -1]]
    assert not voting.histograms()[1].any()


def test_nothing_added_and_nobody_private() -> None:
    rows = quantised(unit_rows(3, 4, 0))
    assert Voting(rows, [0, 0, 1], votes=2).histograms()[0].shape == (0,)
    nobody = Voting(rows[:0], [], votes=2)
    nobody.add(rows, [0, 0, 1])
    assert nobody.histograms()[0].tolist() == [0, 0, 0]
    assert nobody.shares([0, 1, 1], 2).shape == (0, 2)


@settings(max_examples=30)
@given(st.integers(1, 2000), st.integers(0, 2**32 - 1), st.booleans())
def test_dot_products_of_quantised_rows_are_exact(dim: int, seed: int, backwards: bool) -> None:
    rows = quantised(unit_rows(40, dim, seed))
    exact = rows.astype(np.int64) @ rows.astype(np.int64).T
    assert np.square(rows.astype(np.int64)).sum(axis=1).max() < 2**24
    order = slice(None, None, -1) if backwards else slice(None)
    np.testing.assert_array_equal(rows[:, order] @ rows[:, order].T, exact)
    one_by_one = np.zeros((40, 40), dtype=np.float32)
    for column in rows.T[order]:
        one_by_one += np.outer(column, column)
    np.testing.assert_array_equal(one_by_one, exact)


@given(st.integers(1, 2000), st.integers(0, 2**32 - 1))
def test_quantised_is_within_half_a_unit(dim: int, seed: int) -> None:
    rows = unit_rows(5, dim, seed)
    whole = quantised(rows)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, np.rint(whole))
    assert np.abs(whole - 4000 * rows.astype(np.float64)).max() <= 0.5 + 1e-3
    assert np.abs(np.linalg.norm(whole, axis=1) - 4000).max() <= np.sqrt(dim) / 2 + 1e-2


def test_a_row_as_long_as_the_limit_is_refused() -> None:
    assert quantised(np.array([[1.0237, 0.0]], dtype=np.float32)).tolist() == [[4095, 0]]
    with pytest.raises(ValueError, match="longer"):
        quantised(np.array([[1, 0], [1.024, 0]], dtype=np.float32))
    longest = np.full((1, 2**18), 2.0**-9, dtype=np.float32)
    with pytest.raises(ValueError, match="longer"):
        quantised(longest * np.float32(1.03))
    # A unit row of very many dimensions may grow in rounding: it is the result that is measured.
    grown = np.full((1, 260**2), 1 / 260, dtype=np.float32)
    grown[0, 0] = 0.99
    with pytest.raises(ValueError, match="longer"):
        quantised(grown)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e38])
def test_rows_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"finite|longer"):
        quantised(np.array([[wrong, 0]], dtype=np.float32))


def test_rows_that_are_not_quantised_are_refused_before_they_count() -> None:
    rows = unit_rows(6, 4, 0)
    with pytest.raises(ValueError, match="quantised"):
        Voting(rows, [0] * 6, votes=2)
    voting = Voting(quantised(rows), [0] * 6, votes=2)
    mixed = quantised(rows)
    mixed[5] = rows[5]
    with pytest.raises(ValueError, match="quantised"):
        voting.add(mixed, [0] * 6)
    with pytest.raises(ValueError, match="quantised"):
        voting.add(quantised(rows).astype(np.float64), [0] * 6)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="longer"):
        voting.add(quantised(rows) * np.float32(2), [0] * 6)
    with pytest.raises(ValueError, match="dimensions"):
        voting.add(quantised(unit_rows(6, 3, 0)), [0] * 6)
    assert (voting.near == -1).all()
    assert voting.histograms()[0].shape == (0,)


@pytest.mark.parametrize(
    ("labels", "votes", "said"),
    [([0, 0], 2, "do not fit"), ([0.0, 0.5, 1.0], 2, "integers"), ([0] * 3, 0, "1 or more"), ([0] * 3, 54, "exactly")],
)
def test_arguments_that_make_no_sense(labels: list[float], votes: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Voting(quantised(unit_rows(3, 4, 0)), labels, votes=votes)


@pytest.mark.parametrize("owners", [[0, 1], [0, 1, 2], [0, 1, -1]])
def test_owners_that_make_no_sense(owners: list[int]) -> None:
    rows = quantised(unit_rows(3, 4, 0))
    voting = Voting(rows, [0] * 3, votes=1)
    voting.add(rows, [0] * 3)
    with pytest.raises(ValueError, match="owner"):
        voting.shares(owners, 2)


def test_as_many_votes_as_can_be_counted() -> None:
    rows = quantised(unit_rows(2, 4, 0))
    voting = Voting(rows, [0, 0], votes=53)
    samples = quantised(unit_rows(60, 4, 1))
    voting.add(samples, [0] * 60)
    total: FloatArray = voting.histograms()[0]
    assert [Fraction(votes) for votes in total] == histogram(voting.near, 60)
