import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from synthgen.downstream.head import TrainedHead, fit_head
from synthgen.downstream.influence import influence
from synthgen.downstream.rows import SharedRows, matrix
from synthgen.downstream.stm import IntArray


def sparse(n: int, width: int = 30, seed: int = 0) -> csr_matrix:
    random = np.random.default_rng(seed)
    return csr_matrix(random.normal(size=(n, width)) * (random.random((n, width)) < 0.3))


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), max_size=60))))
def test_products_are_those_of_a_copy_to_the_bit(drawn: tuple[int, list[int]]) -> None:
    n, chosen = drawn
    whole, random = sparse(n), np.random.default_rng(1)
    for rows in (np.array(chosen, dtype=np.int64), np.unique(np.array(chosen, dtype=np.int64))):
        some, copy = SharedRows(whole)[rows], whole[rows]
        right, left = random.normal(size=(30, 3)), random.normal(size=(len(rows), 3))
        assert some.shape == copy.shape
        np.testing.assert_array_equal(some @ right, copy @ right)
        np.testing.assert_array_equal(some.T @ left, copy.T @ left)
        np.testing.assert_array_equal(some.T @ left[:, 0], copy.T @ left[:, 0])
        np.testing.assert_array_equal(some.at_hand() @ right, copy @ right)
        np.testing.assert_array_equal(matrix(some).toarray(), copy.toarray())
        np.testing.assert_array_equal(np.flatnonzero(some.used()), np.unique(copy.indices))


def test_rows_of_rows_are_rows_of_the_whole() -> None:
    whole = sparse(20)
    some = SharedRows(whole)[np.arange(4, 20)][np.array([3, 0, 3])]
    np.testing.assert_array_equal(matrix(some).toarray(), whole[[7, 4, 7]].toarray())


@pytest.mark.parametrize(
    "rows", [np.array([-1, 3]), np.arange(20) % 3 == 0, slice(2, 9, 3), np.empty(0, int), np.array([5, 2], np.int32)]
)
def test_rows_are_taken_as_of_a_matrix(rows: object) -> None:
    whole = sparse(20)
    np.testing.assert_array_equal(matrix(SharedRows(whole)[rows]).toarray(), whole[rows].toarray())


def test_taking_a_few_rows_of_many_makes_nothing_as_long_as_they_are() -> None:
    features, few = SharedRows(csr_matrix((1_000_000, 3))), np.arange(8)
    tracemalloc.start()
    try:
        features[few]
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


MOST, FEW, MIXED = np.arange(60) != 7, np.arange(60) < 20, np.arange(60) % 3 == 0


@pytest.mark.parametrize("chosen", [MOST, FEW, MIXED])
def test_a_fit_on_shared_rows_is_that_on_a_copy_to_the_bit(chosen: np.ndarray) -> None:
    whole, random = sparse(60), np.random.default_rng(2)
    rows: IntArray = np.flatnonzero(chosen)
    labels, weights = random.integers(0, 3, len(rows)), random.uniform(0.1, 1, len(rows))
    ours = fit_head(SharedRows(whole)[rows], labels, weights, n_labels=3)
    theirs = fit_head(whole[rows], labels, weights, n_labels=3)
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)
    np.testing.assert_array_equal(ours.epoch_probabilities, theirs.epoch_probabilities)
    asked, answers = whole[::7], np.arange(len(range(0, 60, 7))) % 3
    np.testing.assert_array_equal(
        influence(ours, (asked, answers), (asked, answers)), influence(theirs, (asked, answers), (asked, answers))
    )


def test_a_settled_head_predicts_without_its_samples() -> None:
    rows, random = sparse(40), np.random.default_rng(3)
    fit = fit_head(rows, random.integers(0, 2, 40), n_labels=2)
    settled = fit.settled()
    np.testing.assert_array_equal(settled.predict_proba(rows), fit.predict_proba(rows))
    again = TrainedHead(np.array(settled.parameters.tolist()))
    np.testing.assert_array_equal(again.predict_proba(rows), fit.predict_proba(rows))
    assert settled.settled() is settled
    slopes = random.normal(size=(40, 2))
    np.testing.assert_array_equal(
        settled.push(rows, settled.pull(rows, slopes)), fit.push(rows, fit.pull(rows, slopes))
    )
    with pytest.raises(RuntimeError, match="before settled"):
        _ = settled.epoch_probabilities
    with pytest.raises(RuntimeError, match="before settled"):
        settled.linear()
