"""Private evolution: who is selected by votes that are known, and who is asked to write what."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evolving import BORN, FIRST, OPEN, SEEDED, TASK, evolve, method, positive, records, sample, silent, vault
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.methods.augpe import AugPE
from synthgen.methods.base import Demonstration
from synthgen.methods.pe import PE
from synthgen.recipe import make_recipe
from synthgen.records import Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.generic import generic_task


def test_the_nearest_are_selected_members_and_variations_alike(tmp_path: Path) -> None:
    held = vault(records([-80], [10, 11, 50]), OPEN, tmp_path)
    chosen, learned = evolve(method(held), FIRST, BORN)
    assert positive(chosen) == {12.0: 1, 52.0: 1}
    assert {one.sample.text: one.scores["votes"] for one in chosen}["text 12.0"] == 2
    assert not learned.notes


def test_a_parent_stays_only_where_parents_are_kept(tmp_path: Path) -> None:
    held = vault(records([-80], [1, 2, 91]), OPEN, tmp_path / "keep")
    assert positive(evolve(method(held), FIRST, BORN)[0]) == {0.0: 1, 90.0: 1}
    held = vault(records([-80], [1, 2, 91]), OPEN, tmp_path / "drop")
    dropped = method(held, options={"keep_parents": False})
    assert positive(evolve(dropped, FIRST, BORN)[0]) == {12.0: 1, 120.0: 1}


def test_a_label_never_shrinks_for_want_of_variations(tmp_path: Path) -> None:
    held = vault(records([-80], [1, 2, 91]), OPEN, tmp_path)
    chosen, learned = evolve(method(held, options={"keep_parents": False}), FIRST, {0.0: [12.0]})
    assert sum(positive(chosen).values()) == 2
    assert learned.notes == ["Round 1: 1 of 3 members got no variation."]


def test_a_child_of_an_earlier_round_or_of_no_member_is_no_candidate(tmp_path: Path) -> None:
    held = vault(records([-80], [30, 30]), OPEN, tmp_path)
    evolving = method(held, rounds=2, samples=16)
    members = [sample(0.0), sample(90.0), sample(-90, "negative")]
    evolving.select(0, members, silent())
    best = sample(29.0, round=1, parent=members[0].id)
    evolving.select(1, [*members, best], silent())
    orphan, stale = sample(30.0, round=2, parent="nobody"), sample(31.0, round=1, parent=members[0].id)
    chosen = evolving.select(2, [*members, best, orphan, stale], silent())
    assert 29.0 in positive(chosen)
    assert set(positive(chosen)) <= {29.0, 0.0, 90.0}


def test_sampling_draws_by_votes_above_the_threshold(tmp_path: Path) -> None:
    held = vault(records([-80], [10, 11, 12, 50]), OPEN, tmp_path)
    options = {"select": "sample", "threshold": 1.0, "keep_parents": False}
    assert positive(evolve(method(held, options=options), FIRST, BORN)[0]) == {12.0: 2}


def test_all_clipped_is_uniform() -> None:
    evolving = method(vault(records([-80], [10]), OPEN), options={"select": "sample"}, samples=4000)
    evolving._sizes = {"negative": 1, "positive": 4000}
    times = evolving._selected(1, np.array([-3.0, -1.0, -2.0, -9.0, -4.0]), np.array([1, 1, 0, 1, 1]))
    assert times[2] == 1
    assert all(times[row] == pytest.approx(1000, abs=140) for row in (0, 1, 3, 4))


def test_lookahead_judges_a_member_by_its_variations(tmp_path: Path) -> None:
    """The member at 90 is far from every record, the mean of its variations near: it wins, and they take its place."""
    held = vault(records([-80], [40, 41, 42]), OPEN, tmp_path)
    chosen, _ = evolve(method(held, PE), [0.0, 10.0, 90.0], {0.0: [-5.0, -9.0], 90.0: [30.0, 52.0]})
    assert set(positive(chosen)) <= {30.0, 52.0}
    assert sorted(positive(chosen).values()) == [1, 2], "three times selected, two variations"


def test_a_member_without_variations_stays_itself(tmp_path: Path) -> None:
    held = vault(records([-80], [9, 10]), OPEN, tmp_path)
    chosen, learned = evolve(method(held, PE), [10.0, 90.0], {90.0: [100.0]})
    assert positive(chosen) == {10.0: 2}
    assert learned.notes


def test_opposite_variations_have_a_mean_too(tmp_path: Path) -> None:
    held = vault(records([-80], [9]), OPEN, tmp_path)
    assert positive(evolve(method(held, PE), [10.0], {10.0: [0.0, 180.0]})[0])


@pytest.mark.parametrize("kind", [AugPE, PE])
def test_neither_storage_order_nor_place_decides(tmp_path: Path, kind: type[AugPE]) -> None:
    """PCEvolve's published code fed back what stood at the selected place of another list."""
    outcomes = []
    first = [sample(float(angle), label) for angle in range(0, 60, 5) for label in TASK.labels]
    born = [
        sample(one, child.label, 1, child.id)
        for child in first
        for one in (len(child.id), float(derive_seed(child.id) % 97))
    ]
    for shuffle in range(4):
        held = vault(records([3, 9, 27, 44], [5, 12, 33, 58]), SEEDED, tmp_path / str(shuffle))
        evolving = method(held, kind, samples=100)
        random.Random(shuffle).shuffle(first)
        evolving.select(0, first, silent())
        everyone = [*first, *born]
        random.Random(shuffle).shuffle(everyone)
        outcomes.append({one.sample.id: one.scores["times"] for one in evolving.select(1, everyone, silent())})
    assert outcomes[0] == outcomes[1] == outcomes[2] == outcomes[3]


@given(st.data())
def test_the_budget_is_exact(data: st.DataObject) -> None:
    rounds, variations = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 6))
    n_plms, n_labels = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 9))
    samples = data.draw(st.integers(rounds + 1, 400))
    labels = tuple(f"label {number}" for number in range(n_labels))
    recipe = make_recipe(
        {
            "method": "augpe", "labels": labels, "plms": tuple("abcdef"[:n_plms]), "samples": samples,
            "rounds": rounds, "demos": 1, "options": {"variations": variations},
        }
    )  # fmt: skip

    def made() -> AugPE:
        return AugPE(
            recipe, generic_task(labels, None), recipe.plms, make_stm("tfidf", seed=0), vault(records([1], [2]), OPEN)
        )

    first = samples // (1 + rounds * variations)
    if first * n_plms < n_labels:
        with pytest.raises(UserError, match=r"too few.*--samples \d+ or more"):
            made()
        return
    evolving = made()
    zero = evolving.plan(0, [])
    assert min(sum((Counter(quota) for quota in zero.quotas.values()), Counter()).values()) >= 1
    population = [
        Sample(f"{plm} {label} {number}", "a text", label, plm, 0, "r")
        for plm, quota in zero.quotas.items()
        for label, count in quota.items()
        for number in range(count)
    ]
    assert len(population) == n_plms * first
    sizes = Counter(one.label for one in population)
    assert max(sizes.values()) - min(sizes[label] for label in labels) <= 1
    chosen = evolving.select(0, population, silent())
    written = Counter({plm: sum(quota.values()) for plm, quota in zero.quotas.items()})
    for round in range(1, rounds + 1):
        plan, outlook = evolving.plan(round, chosen), evolving.plan(round, [])
        assert plan.quotas == outlook.quotas, "what `synthgen plan` says is what is done"
        times: Counter[str] = Counter()
        for plm, quota in plan.quotas.items():
            written[plm] += sum(quota.values())
            for label, count in quota.items():
                prompts = plan.own[plm][label]
                assert len(prompts) == count
                assert {one.label for one in population if one.id in {prompt.parent for prompt in prompts}} <= {label}  # type: ignore[attr-defined]
                times.update(prompt.parent for prompt in prompts)  # type: ignore[attr-defined]
        assert min(times[one.id] for one in population) >= variations
        assert max(times.values()) - min(times.values()) <= 1
    assert written == dict.fromkeys(recipe.plms, samples)


def test_a_member_selected_twice_is_varied_twice_as_often() -> None:
    evolving = method(vault(records([1], [2]), OPEN), samples=40)
    chosen = [Demonstration(sample(1), {"times": 2}), Demonstration(sample(2, "negative"), {"times": 1})]
    plan = evolving.plan(1, chosen)
    parents = Counter(p.parent for own in plan.own.values() for some in own.values() for p in some)  # type: ignore[attr-defined]
    assert parents[chosen[0].sample.id] == 2 * parents[chosen[1].sample.id]


def test_weights_are_how_often_a_sample_was_selected() -> None:
    evolving = method(vault(records([1], [2]), OPEN), PE)
    some = [sample(float(angle), label) for angle in (1, 2, 3) for label in TASK.labels]
    evolving._population = {some[0].id: 3, some[1].id: 1, some[2].id: 2}
    weights, *_ = evolving.weigh(some)
    assert weights.tolist() == [1.5, 0.5, 1.0, 0, 0, 0]
    everything = method(vault(records([1], [2]), OPEN), options={"release": "all"})
    assert everything.weigh(some)[0].tolist() == [1.0] * 6
