"""What is spread over a cluster is what is computed here, in the same order."""

import os
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.downstream.head import fit_head
from synthgen.errors import UserError
from synthgen.spread import spread


@pytest.fixture(autouse=True, scope="module")
def functions_of_this_file(ray_cluster: Any) -> None:
    """Send them along: what nodes import is the package, not its tests."""
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


def fitted(seed: int) -> NDArray[np.float64]:
    """Train a linear head on features that the seed draws; return what it predicts."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, 300)
    features = draw.normal(size=(300, 40)) + labels[:, None]
    return np.asarray(fit_head(features, labels, None, n_labels=3).predict_proba(features))


def process(_: int) -> int:
    return os.getpid()


def refused(item: int) -> int:
    if item == 3:
        raise UserError("three is too many")
    return item


def test_fits_are_those_made_here() -> None:
    here = list(map(fitted, range(6)))
    there = list(spread(fitted, range(6)))
    assert all(np.array_equal(one, other) for one, other in zip(here, there, strict=True))
    assert os.getpid() not in set(spread(process, range(4)))


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(UserError, match=r"^three is too many$"):
        list(spread(refused, range(9)))


def test_without_a_cluster_it_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthgen.plms.engines.ray.cluster._users", 0)
    assert set(spread(process, range(3))) == {os.getpid()}
