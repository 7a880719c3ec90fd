"""Parties of an experiment: everything dealt once, as skewed as asked."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.privacy.skew import deal_to_parties

LABELS = ["a"] * 300 + ["b"] * 100


@given(st.integers(1, 20), st.floats(0.05, 100), st.integers(0, 99))
def test_everything_is_dealt_once(n_parties: int, dirichlet: float, seed: int) -> None:
    party = deal_to_parties(LABELS, n_parties, dirichlet=dirichlet, seed=seed)
    assert party.min() >= 0
    assert party.max() < n_parties
    assert (party == deal_to_parties(LABELS, n_parties, dirichlet=dirichlet, seed=seed)).all()


def test_small_concentrations_are_skewed_and_large_ones_even() -> None:
    def spread(dirichlet: float) -> float:
        shares = []
        for seed in range(40):
            party = deal_to_parties(LABELS, 5, dirichlet=dirichlet, seed=seed)
            shares.append(max(Counter(party[:300].tolist()).values()) / 300)
        return float(np.mean(shares))

    assert spread(1000) == pytest.approx(0.2, abs=0.03)
    assert spread(0.1) > 0.6


def test_the_pathological_split_gives_each_party_one_label() -> None:
    party = deal_to_parties(LABELS, 5, dirichlet=0, seed=1)
    held = {number: {LABELS[row] for row in np.flatnonzero(party == number)} for number in range(5)}
    assert held == {0: {"a"}, 1: {"b"}, 2: {"a"}, 3: {"b"}, 4: {"a"}}
    with pytest.raises(ValueError, match="too few"):
        deal_to_parties(LABELS, 1, dirichlet=0, seed=1)


def test_a_party_holds_no_more_than_its_bound() -> None:
    party = deal_to_parties(LABELS, 10, dirichlet=1.0, seed=3, most=8)
    counts = Counter(party.tolist())
    assert max(count for number, count in counts.items() if number >= 0) <= 8
    assert counts[-1] >= 400 - 80
