"""SunGen: written zero-shot, weighed in the end; what its options do, and when it warns."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.methods import make_method
from synthgen.methods.sungen import SunGen
from synthgen.plms.engines.scripted import default_script
from synthgen.recipe import make_recipe
from synthgen.records import Request, Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
PLMS = ("gpt2", "opt")
Wrong = Callable[[str], float]


def method(seed: int = 0, **options: Any) -> SunGen:
    settings = {"method": "sungen", "task": "imdb", "plms": PLMS, "samples": 100, "rounds": 1, "seed": seed}
    recipe = make_recipe({**settings, "options": options})
    made = make_method(recipe, TASK, list(PLMS), make_stm("tfidf", seed=0))
    assert isinstance(made, SunGen)
    return made


def samples(count: int = 240, wrong: Wrong = lambda label: 0.0) -> tuple[list[Sample], np.ndarray]:
    """Scripted samples and which of them carry the other label than their text is of."""
    made, planted, draw = [], [], np.random.default_rng(5)
    for number in range(count):
        label, other = TASK.labels if number % 2 else TASK.labels[::-1]
        planted.append(draw.random() < wrong(label))
        request = Request("", "gpt2", 0, other if planted[-1] else label, "", derive_seed("sungen", number))
        made.append(Sample(f"s{number}", default_script(request), label, PLMS[number % 3 == 0], 0, f"r{number}"))
    return made, np.array(planted)


def test_every_round_is_zero_shot_and_nothing_is_shown() -> None:
    sungen = method(iterations=3)
    made, _ = samples(40)
    for number in range(2):
        plan = sungen.plan(number, [])
        assert plan.zero_shot
        assert plan.shown == ()
        assert plan.prompts == {label: [TASK.zero_shot(label)] for label in TASK.labels}
        learned = sungen.learn(made)
        assert set(learned.by_plm) == set(PLMS)
        assert sungen.select(number, made, learned) == []


def test_wrong_samples_lose_their_weight() -> None:
    made, planted = samples(wrong=lambda label: 0.15)
    weights, fit, _ = method().weigh(made)
    assert weights.mean() == pytest.approx(1)
    assert weights.min() > 0
    assert weights[planted].mean() < 0.3 * weights[~planted].mean()
    assert fit.epoch_probabilities.shape[1] == len(made)


@pytest.mark.parametrize("use", ["top", "sample"])
@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_a_share_of_each_label_is_kept(use: str, share: float) -> None:
    made, planted = samples(wrong=lambda label: 0.15)
    weights, fit, _ = method(use=use, share=share).weigh(made)
    assert set(weights) <= {0.0, 1.0}
    kept = np.flatnonzero(weights)
    assert Counter(made[row].label for row in kept) == dict.fromkeys(TASK.labels, round(share * 120))
    assert fit.epoch_probabilities.shape[1] == len(kept)
    if share < 1:
        assert planted[kept].mean() < planted.mean()
    if share == 0.7:
        assert planted[kept].mean() < planted.mean() / 3


def test_draws_follow_the_seed() -> None:
    made, _ = samples()
    one, again, other = (method(seed, use="sample", share=0.3).weigh(made)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_draws_are_in_proportion_to_the_weights() -> None:
    """The first drawn of four: each as often as its weight says."""
    made, _ = samples(8)
    made = [sample for sample in made if sample.label == "negative"]
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    drawn = np.zeros(4)
    for seed in range(1500):
        drawn[method(seed, use="sample", share=0.25)._kept(weights, made)] += 1
    # Four standard deviations of a share of one half at most.
    np.testing.assert_allclose(drawn / 1500, weights, atol=4 * 0.5 / np.sqrt(1500))


@given(share=st.floats(0.001, 1), counts=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 99))
def test_every_label_keeps_its_best(share: float, counts: tuple[int, int], seed: int) -> None:
    made = [
        Sample(f"{label}{n}", "text", label, "opt", 0, "r")
        for label, count in zip(TASK.labels, counts, strict=True)
        for n in range(count)
    ]
    weights = np.random.default_rng(seed).random(len(made)) + 1e-9
    kept = set(method(use="top", share=share)._kept(weights, made))
    for label in TASK.labels:
        rows = [row for row, sample in enumerate(made) if sample.label == label]
        inside = [row for row in rows if row in kept]
        assert len(inside) == max(1, round(share * len(rows)))
        assert min(weights[inside]) >= max((weights[row] for row in rows if row not in kept), default=0)


def one_sided(label: str) -> float:
    return 0.4 if label == TASK.labels[0] else 0.0


def test_warns_where_one_label_ends_up_low_and_only_there() -> None:
    torn, _ = samples(wrong=one_sided)
    fair, _ = samples(wrong=lambda label: 0.1)
    (note,) = method(normalise=False).weigh(torn).notes
    assert "normalise: true" in note
    assert all(label in note for label in TASK.labels)
    assert not method(normalise=False).weigh(fair).notes
    weights, _, notes = method().weigh(torn)
    assert not notes
    of_first = np.array([sample.label == TASK.labels[0] for sample in torn])
    assert weights[of_first].mean() == pytest.approx(weights[~of_first].mean())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": 0.3}, "share of sungen needs use: top"),
        ({"hard": False, "threshold": 0.5}, "threshold of sungen needs hard: true"),
        ({"use": "best"}, "'use' of sungen"),
        ({"outer": "rce"}, "'outer' of sungen"),
        ({"share": 0.0, "use": "top"}, "'share' of sungen"),
        ({"iterations": 0}, "'iterations' of sungen"),
        ({"lr": float("inf")}, "'lr' of sungen"),
        ({"treshold": 0.5}, "did you mean 'threshold'|threshold"),
    ],
)
def test_senseless_options_are_the_users_mistake(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        method(**options)
