"""Embeddings that were put aside are those that were added, however they are asked for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import SynthgenError
from synthgen.privacy import embedded
from synthgen.privacy.embedded import Embedded, Store
from synthgen.privacy.smoothing import closeness
from synthgen.privacy.voting import SCALE, quantised


def unit(count: int, seed: int = 0, width: int = 12) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return quantised((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


def stored(*parts: np.ndarray) -> Store:
    store = Store(parts[0].shape[1])
    for part in parts:
        store.add(part)
    return store


@given(st.lists(st.integers(0, 89), max_size=60), st.integers(0, 60))
def test_rows_are_those_that_were_added(places: list[int], start: int) -> None:
    rows = unit(90)
    found = Embedded(stored(rows[:40], rows[40:]), np.array(places, dtype=np.int64), 12)
    np.testing.assert_array_equal(found[:], rows[places])
    np.testing.assert_array_equal(found[start : start + 7], rows[places][start : start + 7])
    some = np.arange(len(places))[::3]
    np.testing.assert_array_equal(found[some].over(SCALE)[:], rows[places][some] / np.float32(SCALE))


def test_closeness_is_that_of_the_array() -> None:
    rows = unit(9000)
    own = np.arange(0, 9000, 2)
    total = np.random.default_rng(1).normal(size=12)
    found = Embedded(stored(rows), np.arange(9000), 12)[own].over(SCALE)
    np.testing.assert_array_equal(closeness(total, 0.3, found), closeness(total, 0.3, rows[own] / np.float32(SCALE)))


def test_no_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")
    rows, store = unit(20), stored(unit(5, 3))
    monkeypatch.setattr(embedded, "_IN_MEMORY", 1)
    store._file.close()
    with full.open("r+b", buffering=0) as file:
        store._file = file  # type: ignore[assignment]
        with pytest.raises(SynthgenError, match=r"find no room in .*TMPDIR"):
            store.add(rows)
