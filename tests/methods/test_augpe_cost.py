"""Private evolution: what it costs, and what it refuses."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evolving import BORN, FIRST, OPEN, TASK, Angles, evolve, ledger, method, positive, records, sample, silent, vault
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream.stm import FloatArray
from synthgen.errors import UserError
from synthgen.methods.augpe import AugPE
from synthgen.methods.pe import PE
from synthgen.privacy.elections import Elections
from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.recipe import Privacy


def through(evolving: AugPE, rounds: int, each: int = 3) -> list[list[str]]:
    """Run ``rounds`` with made-up variations; return the ids of each population."""
    samples = [sample(float(angle), label) for angle in (0, 30, 60, 90) for label in TASK.labels]
    chosen = evolving.select(0, samples, silent())
    populations = []
    for round in range(1, rounds + 1):
        samples += [
            sample(float(place * 7 + number), one.sample.label, round, one.sample.id)
            for place, one in enumerate(chosen)
            for number in range(each)
        ]
        chosen = evolving.select(round, samples, silent())
        populations.append([one.sample.id for one in chosen])
    return populations


@pytest.mark.parametrize("kind", [AugPE, PE])
def test_t_rounds_cost_t_releases(tmp_path: Path, kind: type[AugPE]) -> None:
    held = vault(records([1, 2, 3], [4, 5, 6]), Privacy(epsilon=2.0), tmp_path)
    through(method(held, kind, rounds=3, samples=40), 3)
    spent = ledger(tmp_path)
    assert len(spent["releases"]) == 3
    assert spent["spent"]["epsilon"] == pytest.approx(2.0, abs=1e-6)
    assert {release["detail"]["sensitivity"] for release in spent["releases"]} == {1.0}


@pytest.mark.parametrize("options", [{}, {"mechanism": "exponential"}])
def test_a_resumed_run_recalls_its_selections(tmp_path: Path, options: dict[str, Any]) -> None:
    """With real noise a second draw would differ; and it would cost again."""
    outcomes = []
    for _ in range(2):
        held = vault(records([1, 2, 3], [4, 5, 6]), Privacy(epsilon=1.0), tmp_path)
        outcomes.append(through(method(held, rounds=3, samples=40, options=options), 3))
        outcomes.append(ledger(tmp_path)["releases"])
    assert outcomes[:2] == outcomes[2:]


@pytest.mark.parametrize("accounting", ["pure", "zcdp"])
@pytest.mark.parametrize("adjacency", ["add-remove", "replace-one"])
def test_choices_of_different_labels_cost_together_what_one_costs(
    tmp_path: Path, accounting: str, adjacency: Any
) -> None:
    held = vault(records([1, 2, 3], [4, 5, 6]), Privacy(epsilon=3.0, adjacency=adjacency), tmp_path)
    evolving = method(held, rounds=2, samples=30, options={"mechanism": "exponential", "accounting": accounting})
    selections = 2 * max(evolving._sizes.values())
    assert all(len(population) == 8 for population in through(evolving, 2))
    spent = ledger(tmp_path)
    costs = [release["cost"] for release in spent["releases"]]
    assert len(costs) == 2 * 8
    each = held.epsilon_each(selections, accounting)
    assert Counter(costs) == {each: 8, 0.0: 8}
    assert all(costs[place] > 0 for place in range(0, 16, 2)), "who pays for a pair of choices pays before either"
    assert selections == 8
    # The ledger states the less of both accountings; the promise holds by the one that was asked for.
    said = math.fsum(costs) if accounting == "pure" else spent["spent"]["epsilon"]
    assert said == pytest.approx(3.0, rel=1e-6)


def test_without_privacy_the_exponential_mechanism_takes_those_of_most_votes(tmp_path: Path) -> None:
    held = vault(records([-80], [10, 11, 50]), OPEN, tmp_path)
    chosen, _ = evolve(method(held, options={"mechanism": "exponential"}), FIRST, BORN)
    assert positive(chosen) == {12.0: 1, 52.0: 1}


class Listening(Vault):
    """Hears the utilities of every choice, on the records it was given, and always chooses the first."""

    def release_choice(self, round: int, name: str, compute: Callable[[Records], FloatArray], **_: Any) -> int:  # type: ignore[override]
        self.heard = {**getattr(self, "heard", {}), name: compute(self._records)}
        return 0


@given(st.data())
def test_one_record_moves_the_utilities_of_its_label_alone_by_at_most_one_in_one_direction(data: st.DataObject) -> None:
    angles = st.lists(st.integers(0, 40).map(float), min_size=1, max_size=6)
    negative, positive = data.draw(angles), data.draw(angles)
    samples = [sample(float(angle), label) for angle in range(0, 40, 9) for label in TASK.labels]
    labels = np.array([TASK.label_id(one.label) for one in samples])
    votes = data.draw(st.integers(1, 4))
    heard = []
    for held in (records(negative, positive), records(negative, positive[1:])):
        listening = Listening(held, Angles(), OPEN, seed=0)
        Elections(listening, votes=votes, selections=6, accounting="pure").hold(1, samples, labels, [3, 2])
        heard.append(listening.heard)
    for name, utilities in heard[0].items():
        moved = utilities - heard[1][name]
        if name.startswith("choice 000"):
            assert not moved.any()
        else:
            assert moved.min() >= 0
            assert moved.max() <= 1


# What makes no sense.


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        (AugPE, {"rounds": 0}, "at least one round"),
        (AugPE, {"samples": 3, "plms": ("a",)}, "--samples 8 or more"),
        (AugPE, {"options": {"lookahead": True}}, "all of them would be selected"),
        (PE, {"options": {"mechanism": "exponential"}}, "lookahead false"),
        (AugPE, {"options": {"keep_parents": False, "variations": 1}}, "nothing to choose from"),
        (PE, {"options": {"keep_parents": True}}, "keep_parents works only without lookahead"),
        (AugPE, {"options": {"threshold": 2.0}}, "threshold works only"),
        (AugPE, {"options": {"accounting": "pure"}}, "accounting works only"),
        (AugPE, {"options": {"mechanism": "exponential", "select": "sample"}}, "select works only"),
        (AugPE, {"options": {"mask": 0.3}}, "mask works only with vary blanks"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type[AugPE], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        method(vault(records([1], [2]), OPEN), kind, **settings)


@pytest.mark.parametrize(("unit", "parties"), [("party", 1), ("record", 2)])
def test_choices_are_not_for_parties(unit: Any, parties: int) -> None:
    held = vault(records([1], [2], parties), Privacy(unit=unit))
    with pytest.raises(UserError, match="does not work with parties"):
        method(held, options={"mechanism": "exponential"})


def test_the_outlook_says_what_a_vote_is_worth() -> None:
    held = vault(records([1, 2], [2, 3]), Privacy(epsilon=8.0))
    pure = method(held, options={"mechanism": "exponential", "accounting": "pure"}).outlook()
    assert pure["odds_by_one_vote"] == pytest.approx(math.exp(8.0 / pure["selections"]))
    assert method(held).outlook()["sensitivity"] == 1.0
    assert method(held, PE).outlook()["released"].startswith("1 times")
