"""FuseGen's own decisions, on samples whose truth is known."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from synthgen.downstream.registry import make_stm
from synthgen.methods.fusegen import FuseGen
from synthgen.plms.engines.scripted import default_script
from synthgen.recipe import make_recipe
from synthgen.records import Request, Sample
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

PLMS = ("gpt2", "llama2", "opt")
TASK = load_task("imdb")


def method(**settings: Any) -> FuseGen:
    recipe = make_recipe({"task": "imdb", "plms": PLMS, "samples": 100, "rounds": 1, **settings})
    return FuseGen(recipe, TASK, list(recipe.plms), make_stm("tfidf", seed=0))


def samples(each: int = 60, wrong: float = 0.0, plms: tuple[str, ...] = PLMS) -> tuple[list[Sample], set[str]]:
    """Scripted samples; of a share the text belongs to the other label. Returns them and the ids of the wrong ones."""
    made, planted = [], set()
    draw = np.random.default_rng(5)
    for plm in plms:
        for number in range(each):
            label, other = TASK.labels if number % 2 else TASK.labels[::-1]
            bad = draw.random() < wrong
            seed = derive_seed(plm, number)
            text = default_script(Request("", plm, 0, other if bad else label, "", seed))
            made.append(Sample(f"{plm}{number}", text, label, plm, 0, f"r{number}"))
            if bad:
                planted.add(made[-1].id)
    return made, planted


def test_zero_shot_first_then_the_same_demonstrations_for_all() -> None:
    fusegen = method()
    first = fusegen.plan(0, [])
    assert first.shown == ()
    made, _ = samples()
    chosen = fusegen.select(0, made, fusegen.learn(made))
    second = fusegen.plan(1, chosen)
    assert set(second.quotas) == set(PLMS)
    for label in TASK.labels:
        (prompt,) = second.prompts[label]
        assert all(demonstration.sample.text in prompt for demonstration in chosen)
        assert label in prompt.rsplit("\n", 1)[1]
    shared = {prompt.rsplit("\n", 1)[0] for (prompt,) in second.prompts.values()}
    assert len(shared) == 1, "the demonstrations come first and are the same for every label"


@pytest.mark.parametrize(("high", "expected"), [(0.5, 20), (0.3, 12), (0.0, 0), (1.0, 40)])
def test_candidates_are_the_most_and_the_least_disputed(high: float, expected: int) -> None:
    """Spec vectors: R = 40, alpha 0.5 gives 20 and 20; alpha 0.3 gives int(12) high and 28 low."""
    fusegen = method(demos=8, candidates=40, options={"high": high})
    made, _ = samples()
    scores = fusegen.learn(made).scores
    candidates = fusegen._candidates(scores)
    assert len(set(candidates)) == 40
    ranked = scores.train[np.argsort(scores.variability[scores.train], kind="stable")]
    assert set(candidates) == set(ranked[: 40 - expected]) | set(ranked[len(ranked) - expected :])


def test_wrongly_labelled_samples_are_seldom_shown() -> None:
    """Also where the held-out samples that influence listens to are wrong as often as the rest."""
    made, planted = samples(each=160, wrong=0.15)
    shown, bad, chance = 0, 0, []
    for seed in range(5):
        fusegen = method(seed=seed, demos=8, candidates=40)
        learned = fusegen.learn(made)
        chosen = fusegen.select(0, made, learned)
        chance.append(np.mean([made[row].id in planted for row in fusegen._candidates(learned.scores)]))
        shown += len(chosen)
        bad += sum(demonstration.sample.id in planted for demonstration in chosen)
    assert shown == 40
    assert np.mean(chance) > 0.2, "wrong samples are disputed, and so are many of the candidates"
    assert bad / shown < np.mean(chance) / 3


def test_demonstrations_are_balanced_and_the_selection_repeats() -> None:
    made, _ = samples(wrong=0.1)
    one = method(demos=4).select(0, made, method(demos=4).learn(made))
    fusegen = method(demos=4)
    two = fusegen.select(0, made, fusegen.learn(made))
    assert [demonstration.sample.id for demonstration in one] == [demonstration.sample.id for demonstration in two]
    assert Counter(demonstration.sample.label for demonstration in one) == {"negative": 2, "positive": 2}


def test_held_out_samples_are_never_trained_on_or_shown() -> None:
    made, _ = samples()
    fusegen = method(candidates=162, demos=8)
    learned = fusegen.learn(made)
    train, validation = set(learned.scores.train), set(learned.scores.validation)
    assert not train & validation
    assert Counter(made[row].plm for row in validation) == dict.fromkeys(PLMS, 6)
    assert set(fusegen._candidates(learned.scores)) <= train


def test_few_samples_are_all_candidates() -> None:
    made, _ = samples(each=4)
    fusegen = method(demos=4, candidates=20)
    chosen = fusegen.select(0, made, fusegen.learn(made))
    assert len(chosen) == 4


def test_wrong_samples_lose_their_weight() -> None:
    made, planted = samples(each=150, wrong=0.15)
    weights, *_ = method().weigh(made)
    assert weights.mean() == pytest.approx(1)
    wrong = np.array([sample.id in planted for sample in made])
    assert weights[wrong].mean() < 0.5 * weights[~wrong].mean()


def test_a_plm_without_samples_is_left_out() -> None:
    made, _ = samples(plms=("gpt2", "opt"))
    learned = method().learn(made)
    assert set(learned.by_plm) == {"gpt2", "opt"}
