import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting import dynamics, sample_rows

from synthgen.report.ranking import best_and_worst


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 5), st.booleans(), st.randoms())
def test_no_sample_left_out_beats_a_chosen_one(n, count, cross, random):
    table = dynamics(["a", "b"], n, cross=cross)
    samples = sample_rows(table)
    expected = best_and_worst(samples, table, n)
    random.shuffle(samples)
    groups = best_and_worst(samples, table, count)
    assert {(g["plm"], g["label"]) for g in groups} == {(s["plm"], s["label"]) for s in samples}
    for group in groups:
        best, worst = ([one["sample"]["id"] for one in group[end]] for end in ("best", "worst"))
        assert not set(best) & set(worst)
        assert len(best) == min(count, (group["size"] + 1) // 2)
        assert len(worst) == min(count, group["size"] - len(best))
        everyone = next(g for g in expected if (g["plm"], g["label"]) == (group["plm"], group["label"]))
        rest = [one for one in everyone["best"] + everyone["worst"] if one["sample"]["id"] not in {*best, *worst}]
        for other in rest:
            for one in group["best"]:
                assert one["confidence"] >= other["confidence"] or one["variability"] <= other["variability"]
            for one in group["worst"]:
                assert one["confidence"] <= other["confidence"]
        ends = [one["confidence"] - one["variability"] for one in group["best"]]
        assert ends == sorted(ends, reverse=True)


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
    assert json.loads(json.dumps(groups)) == groups
    assert best_and_worst(samples, table.slice(0, 0), 3) == []
