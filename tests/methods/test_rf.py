"""The real filter: refused where something is promised, and right about what is too near."""

import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from synthgen import execute
from synthgen.downstream.registry import make_stm
from synthgen.errors import SynthgenError, UserError
from synthgen.methods.rf import RF
from synthgen.plms.engines import scripted
from synthgen.plms.engines.scripted import default_script
from synthgen.privacy.parties import Records
from synthgen.privacy.real_filter import cross_label_distance, far_from_others
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import SCALE, quantised
from synthgen.recipe import Recipe, make_recipe
from synthgen.records import Request, Sample
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
PARTY = [("a glowing film of joy", 1), ("songs and joy", 1), ("mud and gloom", 0), ("a film that drags", 0)]
MakeVault = Callable[..., Vault]


def method(vault: Vault, **options: Any) -> RF:
    recipe = make_recipe({"task": "imdb", "plms": ("opt",), "method": "rf", "options": options})
    return RF(recipe, TASK, ["opt"], make_stm("tfidf", seed=0), vault)


def samples() -> list[Sample]:
    texts = {
        "right": ("songs of joy", "positive"),
        "wrong": ("mud and gloom", "positive"),
        "grim": ("mud gloom and more gloom", "negative"),
        "lost": ("songs and joy", "negative"),
    }
    return [Sample(name, text, label, "opt", 0, name) for name, (text, label) in texts.items()]


def recipe(tmp_path: Path, **settings: Any) -> Recipe:
    path = tmp_path / "private.jsonl"
    rows = []
    for number in range(16):
        label = TASK.labels[number % 2]
        rows.append({"text": default_script(Request("", "", 0, label, "", 70_000 + number)), "label": label})
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    few = {"task": "imdb", "plms": ("gpt2", "opt"), "samples": 30, "rounds": 1, "engine": "scripted", "gold": "none"}
    return make_recipe({**few, "method": "rf", "private": (str(path),), **settings})


def test_it_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="add --no-privacy"):
        execute(recipe(tmp_path), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_run_without_a_promise_filters_texts_of_the_other_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed: dict[str, str] = {}

    def mixed_up(request: Request) -> str:
        label = "positive" if request.seed % 3 == 0 else request.label
        text = default_script(Request("", "", 0, label, "", request.seed))
        mixed[text] = label
        return text

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(mixed_up))
    filtered = recipe(
        tmp_path, privacy={"enabled": False}, options={"percentile": 50}, gold=recipe(tmp_path).private[0]
    )
    run = execute(filtered, out=tmp_path / "r")
    written = [
        json.loads(line)
        for folder in run.rounds()
        for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    kept = set(pq.read_table(run.path / "dataset" / "train.parquet")["id"].to_pylist())
    assert 0 < len(kept) < len(written) == 60
    assert run.metrics["samples"] == len(kept)
    assert run.demonstrations() == [[], []]
    wrong = [one["id"] in kept for one in written if mixed[one["text"]] != one["label"]]
    right = [one["id"] in kept for one in written if mixed[one["text"]] == one["label"]]
    assert len(wrong) > 3
    assert np.mean(wrong) < np.mean(right)


def test_what_repeats_a_private_text_of_another_label_is_left_out(make_vault: MakeVault) -> None:
    filtering = method(make_vault(PARTY, enabled=False), threshold=0.1)
    weights, fit, _ = filtering.weigh(samples())
    assert weights.tolist() == [1, 0, 1, 0]
    assert fit.epoch_probabilities.shape[1] == 2


def test_the_published_threshold_rejects_nothing(make_vault: MakeVault) -> None:
    assert method(make_vault(PARTY, enabled=False), threshold=0).weigh(samples())[0].tolist() == [1, 1, 1, 1]


def test_a_label_that_loses_all_its_texts_ends_in_one_sentence(make_vault: MakeVault) -> None:
    with pytest.raises(SynthgenError, match="Every text of negative, positive is too near"):
        method(make_vault(PARTY, enabled=False), threshold=2).weigh(samples())


def test_without_a_threshold_private_samples_of_two_labels_are_needed(make_vault: MakeVault) -> None:
    with pytest.raises(UserError, match="at least two labels"):
        method(make_vault(PARTY[:2], enabled=False))
    assert method(make_vault(PARTY[:2], enabled=False), threshold=0.1).outlook()["threshold"] == 0.1


def of(rows: NDArray[np.float64], labels: Sequence[int]) -> Records:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return Records(quantised(unit.astype(np.float32)), np.array(labels), np.zeros(len(labels), dtype=np.int64), 1)


def random_records(seed: int, count: int = 40) -> Records:
    draw = np.random.default_rng(seed)
    return of(draw.normal(size=(count, 5)), draw.integers(3, size=count).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_the_real_filter_against_the_plain_loop(seed: int) -> None:
    records, points = random_records(seed), random_records(seed + 100, 30)
    threshold = cross_label_distance(records, 5)
    private, synthetic = records.embeddings.astype(float) / SCALE, points.embeddings.astype(float) / SCALE
    crossing = [
        np.linalg.norm(one - other)
        for (i, one), (j, other) in itertools.combinations(enumerate(private), 2)
        if records.labels[i] != records.labels[j]
    ]
    assert threshold == pytest.approx(np.percentile(crossing, 5))
    expected = [
        all(
            np.linalg.norm(row - other) >= threshold
            for other, of_it in zip(private, records.labels, strict=True)
            if of_it != label
        )
        for row, label in zip(synthetic, points.labels, strict=True)
    ]
    kept = far_from_others(records, points.embeddings, points.labels, threshold).tolist()
    assert kept == expected
    assert set(kept) == {True, False}


def test_distances_across_labels_need_two_labels_and_see_rare_ones() -> None:
    with pytest.raises(UserError, match="at least two labels"):
        cross_label_distance(of(np.ones((3, 2)), [1, 1, 1]), 5)
    many = of(np.concatenate([np.tile([[1.0, 0.0]], (9000, 1)), [[0.0, 1.0]]]), [0] * 9000 + [1])
    assert cross_label_distance(many, 5) == pytest.approx(math.sqrt(2))
