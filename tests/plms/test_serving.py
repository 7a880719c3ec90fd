from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.plms.serving import Serving, serving_of

NAMES = ["llama2", "opt"]


def test_settings_for_all_then_by_name() -> None:
    found = serving_of({"all": {"in_flight": 8, "dtype": "float16"}, "opt": {"in_flight": 2}}, NAMES)
    assert found == {"llama2": Serving(in_flight=8, dtype="float16"), "opt": Serving(in_flight=2, dtype="float16")}
    assert serving_of({}, NAMES) == dict.fromkeys(NAMES, Serving())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lama2": {}}, r"serving names 'lama2'; did you mean llama2\? The run's PLMs are llama2, opt\."),
        ({"opt": {"tensor_paralel_size": 2}}, r"'tensor_paralel_size'; did you mean tensor_parallel_size\?"),
        ({"opt": {"trust": True}}, "There is no serving setting 'trust'"),
        ({"opt": {"tensor_parallel_size": 0}}, r"tensor_parallel_size: .* \(given: 0\)"),
        ({"all": {"gpu_memory_utilization": 1.5}}, "gpu_memory_utilization"),
        ({"all": {"gpu_memory_utilization": float("nan")}}, "gpu_memory_utilization"),
        ({"all": {"max_model_len": "long"}}, r"max_model_len: .* \(given: 'long'\)"),
        ({"all": {"environment": {"A": [1]}}}, r"environment\.A"),
        ({"all": {"environment": {"HF_TOKEN": "x"}}}, "HF_TOKEN: secrets are never written down"),
        ({"all": {"flags": {"api-key": "x"}}}, "api-key: secrets are never written down"),
        ({"opt": {"timeout": 0}}, "timeout"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        serving_of(settings, NAMES)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
SETTINGS = st.dictionaries(st.one_of(st.sampled_from(list(Serving.model_fields)), st.text()), VALUES, max_size=4)


@given(st.dictionaries(st.sampled_from(["all", "opt", "lama2"]), SETTINGS))
def test_any_settings_serve_or_are_refused(settings: dict[str, dict[str, Any]]) -> None:
    try:
        found = serving_of(settings, NAMES)
    except UserError:
        return
    assert list(found) == NAMES
    for name, serving in found.items():
        given = {**settings.get("all", {}), **settings.get(name, {})}
        assert serving.model_fields_set == set(given)


def test_groups_of_settings_are_merged_and_numbers_are_text() -> None:
    common = {"flags": {"a": 1, "b": 1}, "environment": {"X": 1, "Y": True}}
    served = serving_of({"all": common, "m": {"flags": {"b": 2}, "environment": {"Z": "z"}}}, ["m", "n"])
    assert served["m"].flags == {"a": 1, "b": 2}
    assert served["m"].environment == {"X": "1", "Y": "1", "Z": "z"}
    assert served["n"].flags == {"a": 1, "b": 1}
