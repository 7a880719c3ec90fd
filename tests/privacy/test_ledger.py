"""The ledger: nothing beyond the promise, whatever happens in between."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import SynthgenError, UserError
from synthgen.privacy.accounting import gaussian_epsilon, gaussian_mu, zcdp_epsilon
from synthgen.privacy.ledger import Ledger, Release, spent_epsilon

DELTA = 1e-5


def ledger(folder: Path, epsilon: float = 4.0, **terms: str) -> Ledger:
    return Ledger(folder / "ledger.json", epsilon=epsilon, delta=DELTA, terms=terms)


def gaussian(name: str, releases: int, epsilon: float = 4.0) -> Release:
    return Release(name, "gaussian", gaussian_mu(epsilon, DELTA) / math.sqrt(releases), {})


def test_four_releases_spend_exactly_what_was_promised_and_a_fifth_is_refused(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    for number in range(4):
        book.charge(gaussian(str(number), 4))
    spent = json.loads((tmp_path / "ledger.json").read_text())["spent"]
    assert spent["epsilon"] == pytest.approx(4.0, rel=1e-9)
    assert spent["delta"] == DELTA
    before = (tmp_path / "ledger.json").read_bytes()
    with pytest.raises(SynthgenError, match=r"would spend epsilon 4\.\d+ of the 4 "):
        book.charge(gaussian("4", 4))
    assert (tmp_path / "ledger.json").read_bytes() == before


def test_a_resumed_run_goes_on_where_it_was_and_a_changed_schedule_does_not_get_more(tmp_path: Path) -> None:
    ledger(tmp_path).charge(gaussian("0", 2))
    book = ledger(tmp_path)
    book.charge(gaussian("0", 2))
    assert len(book.releases) == 1, "one release is charged once"
    book.settle("0")
    with pytest.raises(SynthgenError, match="outcome is lost"):
        ledger(tmp_path).charge(gaussian("0", 2))
    with pytest.raises(SynthgenError, match="other noise"):
        book.charge(gaussian("0", 4))
    with pytest.raises(SynthgenError, match="would spend"):
        book.charge(gaussian("1", 1))
    book.charge(gaussian("1", 2))
    with pytest.raises(SynthgenError, match="would spend"):
        ledger(tmp_path).charge(gaussian("2", 1000))


def test_another_promise_does_not_open_the_book(tmp_path: Path) -> None:
    ledger(tmp_path, adjacency="add-remove")
    with pytest.raises(UserError, match="another promise"):
        ledger(tmp_path, epsilon=8.0, adjacency="add-remove")
    with pytest.raises(UserError, match="another promise"):
        ledger(tmp_path, adjacency="replace-one")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"promised": {}}', '{"promised": {}, "releases": [{"name": "x"}]}'])
def test_a_damaged_book_releases_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(SynthgenError, match="damaged"):
        ledger(tmp_path)


def test_choices_add_up_or_concentrate_whichever_is_less() -> None:
    few = [Release(str(n), "exponential", 0.1, {}) for n in range(3)]
    many = [Release(str(n), "exponential", 0.1, {}) for n in range(300)]
    assert spent_epsilon(few, DELTA) == pytest.approx(0.3)
    assert spent_epsilon(many, DELTA) == zcdp_epsilon(math.fsum([0.01] * 300) / 8, DELTA) < 30


@given(st.lists(st.floats(1e-3, 2), min_size=1, max_size=6), st.lists(st.floats(1e-3, 2), min_size=1, max_size=6))
def test_both_kinds_together_cost_no_less_than_either(mus: list[float], costs: list[float]) -> None:
    noise = [Release(f"g{n}", "gaussian", mu, {}) for n, mu in enumerate(mus)]
    choices = [Release(f"e{n}", "exponential", cost, {}) for n, cost in enumerate(costs)]
    both = spent_epsilon([*noise, *choices], DELTA)
    assert both >= max(spent_epsilon(noise, DELTA), spent_epsilon(choices, DELTA)) * (1 - 1e-9)
    assert both <= gaussian_epsilon(math.hypot(*mus), DELTA) + sum(costs) + 1e-9


def test_without_a_promise_anything_may_be_released(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.json", epsilon=math.inf, delta=DELTA, terms={})
    book.charge(Release("0", "gaussian", 3.0, {}))
    assert json.loads((tmp_path / "ledger.json").read_text())["promised"]["epsilon"] == "inf"
