import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting import dynamics, sample_rows

from synthgen.report.ranking import Scores, best_and_worst, left_out_note, ranked

NAMES = st.sampled_from(["a", "b"])
# Few values, so that there are many ties; None is a sample without a score.
SAMPLES = st.lists(st.tuples(NAMES, NAMES, st.none() | st.integers(-2, 2)), max_size=30)


def ids(ranking):
    return [one["sample"]["id"] for one in ranking]


@given(SAMPLES, st.integers(1, 6), st.sampled_from(["both", "best", "worst"]), st.randoms())
def test_laws_of_every_ranking(drawn, count, ends, random):
    samples = [{"id": f"s{n:02d}", "plm": plm, "label": label} for n, (plm, label, _) in enumerate(drawn)]
    known = {f"s{n:02d}": {"weight": value} for n, (_, _, value) in enumerate(drawn) if value is not None}

    def scores(samples):
        weight = np.array([known.get(sample["id"], {"weight": 0})["weight"] for sample in samples])
        there = np.array([sample["id"] in known for sample in samples], dtype=bool)
        sides = (-weight,) if ends != "worst" else None, (weight,) if ends != "best" else None
        return Scores("weight", {"weight": weight}, there, *sides)

    groups = ranked(samples, scores(samples), count)
    assert sum(group["size"] for group in groups) == len(known)
    assert sum(group["left_out"] for group in groups) == len(samples) - len(known)
    assert (left_out_note(groups) is None) == (len(samples) == len(known))
    for group in groups:
        best, worst = ids(group["best"]), ids(group["worst"])
        values = {
            sample["id"]: known[sample["id"]]["weight"]
            for sample in samples
            if (sample["plm"], sample["label"]) == (group["plm"], group["label"]) and sample["id"] in known
        }
        assert len({*best, *worst}) == len(best) + len(worst)
        assert {*best, *worst} <= set(values)
        most = {"both": (group["size"] + 1) // 2, "best": group["size"], "worst": 0}[ends]
        assert len(best) == min(count, most)
        assert len(worst) == (0 if ends == "best" else min(count, group["size"] - len(best)))
        # The order is by the score, and among equals by the id.
        assert best == sorted(values, key=lambda one: (-values[one], one))[: len(best)]
        left = [one for one in values if one not in best]
        assert worst == sorted(left, key=lambda one: (values[one], one))[: len(worst)]
    random.shuffle(samples)
    again = ranked(samples, scores(samples), count)
    assert sorted(map(json.dumps, groups)) == sorted(map(json.dumps, again))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 5), st.booleans())
def test_no_sample_left_out_beats_a_chosen_one_in_dynamics(n, count, cross):
    table = dynamics(["a", "b"], n, cross=cross)
    samples = sample_rows(table)
    everyone = {(g["plm"], g["label"]): g["best"] + g["worst"] for g in best_and_worst(samples, table, n)}
    groups = best_and_worst(samples, table, count)
    assert {(g["plm"], g["label"]) for g in groups} == {(s["plm"], s["label"]) for s in samples}
    for group in groups:
        chosen = {*ids(group["best"]), *ids(group["worst"])}
        for other in everyone[group["plm"], group["label"]]:
            if other["sample"]["id"] in chosen:
                continue
            for one in group["best"]:
                assert one["confidence"] - one["variability"] >= other["confidence"] - other["variability"]
            for one in group["worst"]:
                assert one["confidence"] <= other["confidence"]


@pytest.mark.parametrize("cross", [True, False])
def test_ranks_by_cross_model_dynamics_where_there_are_several_models(cross):
    table = dynamics(["a"], 8, cross=cross)
    known = {row["id"]: row for row in table.to_pylist()}
    prefix = "cross_model_" if cross else ""
    for group in best_and_worst(sample_rows(table), table, 2):
        for one in group["best"] + group["worst"]:
            row = known[one["sample"]["id"]]
            assert one["confidence"] == row[prefix + "confidence"]
            assert one["variability"] == row[prefix + "variability"]
            assert one["correctness"] == row["correctness"]


def test_samples_without_dynamics_are_left_out_and_the_groups_are_json():
    table = dynamics(["a"], 8)
    samples = sample_rows(table)
    groups = best_and_worst(samples, table.slice(0, 5), 9)
    assert sum(group["size"] for group in groups) == 5
    assert sum(group["left_out"] for group in groups) == 3
    assert left_out_note(groups) == "3 of 8 samples have no dynamics and are left out."
    assert json.loads(json.dumps(groups)) == groups
    assert best_and_worst(samples, table.slice(0, 0), 3) == []
