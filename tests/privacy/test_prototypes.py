"""Choices by the centres of private samples: in the right proportions, within the promise, on record."""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from synthgen.errors import SynthgenError, UserError
from synthgen.privacy.parties import Records
from synthgen.privacy.prototypes import (
    REACH,
    Prototypes,
    Scoring,
    calibrated,
    centre_distances,
    margin,
    margin_sensitivity,
)
from synthgen.privacy.sensitivity import Adjacency
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy
from synthgen.records import Sample

LABELS = ("a", "b")
PRIVATE = [("0", 0), ("10", 0), ("20", 0), ("80", 1), ("90", 1), ("100", 1)]


class Compass:
    """A text is an angle in degrees; its row points there."""

    name = "compass"

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> NDArray[np.float32]:
        angles = np.radians([float(text.split("#")[0]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def records_of(private: Sequence[tuple[str, int]], n_parties: int = 1) -> Records:
    rows = quantised(Compass().encode([text for text, _ in private]))
    party = np.arange(len(private)) % n_parties
    return Records(rows, np.array([label for _, label in private]), party, n_parties)


def vault_of(run: Path, private: Sequence[tuple[str, int]] = PRIVATE, n_parties: int = 1, **privacy: Any) -> Vault:
    vault = Vault(records_of(private, n_parties), Compass(), Privacy(**privacy), seed=0)
    vault.open(run)
    return vault


def samples_at(**angles: Sequence[float]) -> tuple[list[Sample], NDArray[np.int64]]:
    made = [
        Sample(f"{label}{number}", f"{angle}#{number}", label, "plm", 0, f"r{label}{number}")
        for label, some in angles.items()
        for number, angle in enumerate(some)
    ]
    return made, np.array([LABELS.index(sample.label) for sample in made])


POOL: Any = samples_at(a=[10, 12, 16, 25, 30, 70], b=[90, 85, 80, 75, 65, 20])


def ledger(run: Path) -> Any:
    return json.loads((run / "ledger.json").read_text())


@pytest.mark.parametrize("score", ["calibrated", "margin"])
def test_choices_come_in_the_proportions_of_the_exponential_mechanism(
    tmp_path: Path, score: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Forcing thousands of ledgers to the disk takes minutes; they are written all the same.
    monkeypatch.setattr("os.fsync", lambda file: None)
    made, labels = POOL
    scoring = Scoring(score, tau=3.0, class_size=3)
    counts: Counter[int] = Counter()
    for number in range(runs := 600):
        vault = vault_of(tmp_path / str(number), epsilon=8.0)
        chooser = Prototypes(vault, LABELS, rounds=1, scoring=scoring, accounting="pure")
        counts.update(chooser.choose(0, made, labels))
    for label in range(2):
        rows = np.flatnonzero(labels == label)
        u = scoring.scores(records_of(PRIVATE), vault.embeddings([made[row] for row in rows]), label, 2)
        power = np.exp(chooser.epsilon_each * u / (2 * scoring.sensitivity("add-remove")))
        expected = runs * power / power.sum()
        assert expected.max() > 2 * expected.min(), "there is something to see"
        assert chisquare([counts[row] for row in rows.tolist()], expected).pvalue > 1e-5


def test_without_a_promise_the_best_is_chosen_whatever_the_order(tmp_path: Path) -> None:
    made, labels = POOL
    for number in range(5):
        order = np.random.default_rng(number).permutation(len(made))
        vault = vault_of(tmp_path / str(number), enabled=False)
        chosen = Prototypes(vault, LABELS, rounds=1, each=2).choose(0, [made[row] for row in order], labels[order])
        assert [made[order[row]].id for row in chosen] == ["a0", "a1", "b0", "b1"]


def test_the_calibrator_on_worked_examples() -> None:
    distances = np.array([[0.2, 1.0], [0.3, 0.9], [0.4, 0.8], [0.5, 0.5], [0.9, 0.1]])
    expected = [1, math.exp(-5), math.exp(-10), 0, 0]
    assert calibrated(distances, 0, 10.0) == pytest.approx(expected), "a tie with another centre is filtered out"
    assert calibrated(distances[2:], 0, 10.0).tolist() == [1, 0, 0], "a single survivor"
    assert calibrated(distances[3:], 0, 10.0).tolist() == [0, 0], "no survivor"
    assert calibrated(distances[:1], 0, 10.0).tolist() == [1], "one candidate"
    assert calibrated(distances[[1, 1, 4]], 0, 10.0).tolist() == [1, 1, 0], "survivors that are equally near"


lengths = st.one_of(st.floats(0, 2), st.sampled_from([0.0, 0.5, 5e-324, math.inf]))


@given(distances=st.lists(st.tuples(lengths, lengths, lengths), min_size=1, max_size=9), tau=st.floats(1e-3, 1e6))
def test_calibrated_scores_are_within_zero_and_one(distances: list[tuple[float, ...]], tau: float) -> None:
    for label in range(3):
        scores = calibrated(np.array(distances), label, tau)
        assert ((scores >= 0) & (scores <= 1)).all()
        if any(row[label] < min(row[:label] + row[label + 1 :]) for row in distances):
            assert scores.max() == 1


def test_scores_are_defined_where_a_label_has_no_private_sample() -> None:
    """So that the mechanism does not rest on every label having one."""
    rows = quantised(Compass().encode(["0", "45", "90"]))
    only_b = records_of(PRIVATE[3:])
    assert Scoring().scores(only_b, rows, 0, 2).tolist() == [0, 0, 0]
    assert Scoring().scores(only_b, rows, 1, 2)[2] == 1
    assert np.isfinite(Scoring("margin").scores(only_b, rows, 0, 2)).all()


def moved(one: Records, other: Records, rows: NDArray[np.float32], class_size: int, n_labels: int) -> float:
    pair = [centre_distances(records, rows, n_labels, class_size) for records in (one, other)]
    return max(float(np.abs(margin(pair[0], label) - margin(pair[1], label)).max()) for label in range(n_labels))


def of(rows: NDArray[np.float64], labels: Sequence[int]) -> Records:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return Records(quantised(unit.astype(np.float32)), np.array(labels), np.zeros(len(labels), dtype=np.int64), 1)


@given(
    seed=st.integers(0, 2**32),
    dimensions=st.integers(1, 4),
    labels=st.lists(st.integers(0, 2), min_size=2, max_size=9),
    class_size=st.integers(1, 6),
)
def test_no_neighbouring_sets_move_a_margin_by_more_than_the_bound(
    seed: int, dimensions: int, labels: list[int], class_size: int
) -> None:
    draw = np.random.default_rng(seed)
    # Opposite directions are the extreme cases.
    base = draw.normal(size=dimensions)
    rows = draw.choice([-1.0, 1.0], size=(len(labels), 1)) * base + draw.choice([0, 0, 1]) * draw.normal(
        size=(len(labels), dimensions)
    )
    points = quantised((np.stack([base, -base]) / np.linalg.norm(base)).astype(np.float32))
    new = draw.integers(3)
    full, less = of(rows, labels), of(rows[1:], labels[1:])
    other = of(np.concatenate([-rows[:1], rows[1:]]), [int(new), *labels[1:]])
    assert moved(full, less, points, class_size, 3) <= margin_sensitivity(class_size, "add-remove")
    assert moved(full, other, points, class_size, 3) <= margin_sensitivity(class_size, "replace-one")


@pytest.mark.parametrize("adjacency", ["add-remove", "replace-one"])
@pytest.mark.parametrize("class_size", [1, 3, 10])
def test_the_margin_bound_is_attained(class_size: int, adjacency: Adjacency) -> None:
    """All of a label at -1 on a line, and one at 1 that comes, or goes over to the other label."""
    axis = np.array([[1.0]])
    far = np.repeat(-axis, 2 * class_size, axis=0)
    labels = [0] * class_size + [1] * class_size
    one = of(np.concatenate([far, axis]), [*labels, 0])
    other = of(far, labels) if adjacency == "add-remove" else of(np.concatenate([far, axis]), [*labels, 1])
    bound = margin_sensitivity(class_size, adjacency)
    assert moved(one, other, quantised(axis.astype(np.float32)), class_size, 2) == pytest.approx(
        bound / REACH, abs=1e-8
    )


@pytest.mark.parametrize(
    ("epsilon", "rounds", "n_labels", "pure", "zcdp"),
    [
        (4, 10, 2, 0.2, 0.386),
        (8, 20, 2, 0.2, 0.496),
        (8, 100, 2, 0.04, 0.222),
        (4, 10, 5, 0.08, 0.244),
        (1, 10, 2, 0.05, 0.11),
    ],
)
def test_epsilon_of_a_choice_is_the_published_one(
    tmp_path: Path, epsilon: float, rounds: int, n_labels: int, pure: float, zcdp: float
) -> None:
    labels = [str(number) for number in range(n_labels)]
    vault = vault_of(tmp_path, [(str(number), number) for number in range(n_labels)], epsilon=epsilon)
    each = {
        kind: Prototypes(vault, labels, rounds=rounds, accounting=kind).epsilon_each
        for kind in ("pure", "zcdp", "best")
    }
    assert each["pure"] == pytest.approx(pure, abs=1e-6)
    assert each["zcdp"] == pytest.approx(zcdp, abs=1e-3)
    assert each["best"] == each["zcdp"]


def test_few_choices_are_better_added_up(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, epsilon=4.0)
    assert Prototypes(vault, LABELS, rounds=1).epsilon_each == pytest.approx(2.0)


@pytest.mark.parametrize("each", [1, 3])
def test_the_ledger_holds_every_choice_and_refuses_one_more(tmp_path: Path, each: int) -> None:
    made, labels = POOL
    chooser = Prototypes(vault_of(tmp_path), LABELS, rounds=2, each=each)
    for number in range(2):
        chosen = chooser.choose(number, made, labels)
        assert Counter(labels[chosen].tolist()) == {0: each, 1: each}
        assert len(set(chosen)) == 2 * each
    held = ledger(tmp_path)
    assert len(held["releases"]) == 2 * 2 * each
    assert held["spent"]["epsilon"] == pytest.approx(4.0, rel=1e-6)
    with pytest.raises(SynthgenError, match="would spend"):
        chooser.choose(2, made, labels)


@pytest.mark.parametrize("accounting", ["pure", "zcdp"])
def test_the_ledger_may_find_that_less_was_spent_than_the_accounting_asked_for(tmp_path: Path, accounting: Any) -> None:
    """Pure accounting of many choices, zero-concentrated of few: both promises hold, and the better one is written."""
    made, labels = POOL
    rounds = 8 if accounting == "pure" else 1
    chooser = Prototypes(vault_of(tmp_path), LABELS, rounds=rounds, accounting=accounting)
    for number in range(rounds):
        chooser.choose(number, made, labels)
    assert len(ledger(tmp_path)["releases"]) == 2 * rounds
    assert ledger(tmp_path)["spent"]["epsilon"] < 3.9


def test_a_resumed_run_keeps_its_choices_and_what_it_spent(tmp_path: Path) -> None:
    made, labels = POOL
    first = Prototypes(vault_of(tmp_path), LABELS, rounds=3, each=3)
    chosen = [first.choose(number, made, labels) for number in range(3)]
    spent = ledger(tmp_path)
    again = Prototypes(vault_of(tmp_path), LABELS, rounds=3, each=3)
    assert [again.choose(number, made, labels) for number in range(3)] == chosen
    assert ledger(tmp_path) == spent
    with pytest.raises(SynthgenError, match="for other samples before"):
        again.choose(0, made[1:], labels[1:])


def test_where_there_is_no_choice_nothing_is_spent(tmp_path: Path) -> None:
    made, labels = samples_at(a=[10], b=[90, 20])
    assert Prototypes(vault_of(tmp_path), LABELS, rounds=1).choose(0, made, labels)[0] == 0
    assert [release["name"] for release in ledger(tmp_path)["releases"]] == ["00 prototype 1 of b"]


def test_noised_scores_are_one_release_a_round_and_spend_the_promise(tmp_path: Path) -> None:
    made, labels = POOL
    chooser = Prototypes(vault_of(tmp_path), LABELS, rounds=2, each=2, mechanism="gaussian")
    for number in range(2):
        assert Counter(labels[chooser.choose(number, made, labels)].tolist()) == {0: 2, 1: 2}
    held = ledger(tmp_path)
    assert [release["mechanism"] for release in held["releases"]] == ["gaussian", "gaussian"]
    assert held["releases"][0]["detail"]["sensitivity"] == pytest.approx(math.sqrt(12))
    assert held["spent"]["epsilon"] == pytest.approx(4.0, rel=1e-6)


def test_noised_scores_without_noise_give_the_best(tmp_path: Path) -> None:
    made, labels = POOL
    chooser = Prototypes(vault_of(tmp_path, enabled=False), LABELS, rounds=1, mechanism="gaussian")
    assert [made[row].id for row in chooser.choose(0, made, labels)] == ["a0", "b0"]


@pytest.mark.parametrize("mechanism", ["exponential", "gaussian"])
def test_no_score_and_no_centre_is_written(tmp_path: Path, mechanism: Any) -> None:
    made, labels = POOL
    Prototypes(vault_of(tmp_path), LABELS, rounds=1, mechanism=mechanism).choose(0, made, labels)
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"ledger.json", "votes.json"}
    released = json.loads((tmp_path / "rounds/00/votes.json").read_text())["releases"]
    public = {"score", "samples", "sensitivity"}
    outcome = {"exponential": {"epsilon", "chosen"}, "gaussian": {"sigma", "values"}}[mechanism]
    assert all(set(release) == public | outcome for release in released.values())


def test_what_cannot_be_promised_is_refused(tmp_path: Path) -> None:
    def made(make: Callable[[], Vault], **settings: Any) -> Prototypes:
        return Prototypes(make(), LABELS, rounds=1, **settings)

    with pytest.raises(UserError, match="give one --private"):
        made(lambda: vault_of(tmp_path / "a", n_parties=2))
    with pytest.raises(UserError, match="take score calibrated"):
        made(lambda: vault_of(tmp_path / "b", unit="party"), scoring=Scoring("margin"))
    with pytest.raises(UserError, match="there is none for b; add one"):
        made(lambda: vault_of(tmp_path / "c", PRIVATE[:3]))
    assert made(lambda: vault_of(tmp_path / "d", unit="party")).epsilon_each > 0
    assert made(lambda: vault_of(tmp_path / "e", n_parties=2, enabled=False)).epsilon_each == math.inf
