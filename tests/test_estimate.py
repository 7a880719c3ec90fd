import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.estimate import TFLOPS, memory_of, seconds_to_load, seconds_to_write, time_of
from synthgen.plms.arrange import Arrangement
from synthgen.plms.catalog import PLM
from synthgen.plms.choose import Chosen
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.hardware import GPU
from synthgen.plms.placement import Group
from synthgen.plms.resolve import resolve_plm

LLAMA = resolve_plm("llama2:paper", "paper")
H100 = (GPU(0, "NVIDIA H100 80GB HBM3", 80, 80),)


def on(name: str) -> tuple[GPU, ...]:
    return (GPU(0, name, 24, 24),)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX A6000", "A6000"),
        ("NVIDIA GeForce RTX 4090", "4090"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100"),
    ],
)
def test_a_gpu_is_known_by_a_word_of_its_name(name: str, model: str) -> None:
    seconds = seconds_to_write(LLAMA, "vllm", 10**6, on(name))
    assert seconds == pytest.approx(2 * 6.738e9 * 10**6 / (TFLOPS[model] * 1e12 * 0.2))


@pytest.mark.parametrize("name", ["NVIDIA RTX A4000", "Quadro T400", "NVIDIA TITAN", ""])
def test_a_gpu_that_is_only_called_alike_is_unknown(name: str) -> None:
    assert seconds_to_write(LLAMA, "vllm", 10**6, on(name)) is None


def test_who_can_be_estimated() -> None:
    assert seconds_to_write(LLAMA, "scripted", 10**6, H100) == 0
    assert seconds_to_write(LLAMA, "server", 10**6, H100) is None
    assert seconds_to_write(PLM("m", "org/model", "hub"), "vllm", 10**6, H100) is None
    pocket = seconds_to_write(resolve_plm("gpt2", "pocket"), "transformers", 3000, ())
    assert pocket == 1
    slow, fast = (seconds_to_write(LLAMA, "transformers", 10**6, gpus) or 0 for gpus in ((), H100))
    assert slow > 100 * fast
    assert seconds_to_load(LLAMA, "server") == 0
    assert seconds_to_load(LLAMA, "vllm") == pytest.approx(45 + 16)


def arrangement(*groups: list[str], engine: str = "vllm", memory: float | None = 16.0) -> Arrangement:
    names = [name for group in groups for name in group]
    plms = tuple(PLM(name, "org/model", "hub", parameters=6.7, memory=memory) for name in names)
    placed = tuple(Group({name: Slot((0,), 0.4) for name in group}) for group in groups)
    return Arrangement(plms, {name: Chosen(engine) for name in names}, placed, dict.fromkeys(names, memory))


def seconds(said: str) -> float:
    found = re.fullmatch(r"about ([\d.]+) (s|min|h)", said)
    assert found
    return float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]]


@given(
    st.integers(0, 10**10),
    st.integers(0, 10**10),
    st.integers(1, 20),
    st.booleans(),
    st.sampled_from(["vllm", "scripted"]),
)
def test_more_tokens_and_more_rounds_take_more_time(
    tokens: int, more: int, rounds: int, apart: bool, engine: str
) -> None:
    of = arrangement(["a"], ["b"], engine=engine) if apart else arrangement(["a", "b"], engine=engine)

    def estimated(written: int, times: int) -> float:
        return seconds(time_of(of, {"a": written, "b": 5}, rounds=times, gpus=H100))

    assert estimated(tokens, rounds) <= estimated(tokens + more, rounds)
    assert estimated(tokens, rounds) <= estimated(tokens, rounds + 1)
    assert estimated(tokens, rounds) >= 1


def test_what_cannot_be_estimated_is_said() -> None:
    known = arrangement(["a", "b"])
    mixed = Arrangement(known.plms, {**known.chosen, "b": Chosen("server")}, known.groups, known.needs)
    assert re.fullmatch(r"about \d+ s, and what b takes", time_of(mixed, {"a": 1, "b": 1}, rounds=1, gpus=H100))
    assert time_of(arrangement(["a"], engine="server"), {"a": 1}, rounds=1, gpus=()) == "not known"
    assert time_of(known, {"a": 1, "b": 1}, rounds=1, gpus=on("a GPU")) == "not known"


def test_loads_count_once_a_run_or_once_a_round() -> None:
    together, apart = arrangement(["a", "b"]), arrangement(["a"], ["b"])
    nothing = {"a": 0, "b": 0}
    assert time_of(together, nothing, rounds=5, gpus=H100) == "about 2 min"  # 2 * 61 s
    assert time_of(apart, nothing, rounds=5, gpus=H100) == "about 10 min"
    assert (together.loads(5), apart.loads(5)) == (2, 10)


def test_memory_in_words() -> None:
    assert memory_of(arrangement(["a", "b"])) == "all at once: a 16 GB on GPU 0 (vllm), b 16 GB on GPU 0 (vllm)"
    assert memory_of(arrangement(["a"], ["b"], memory=None)) == (
        "one group after the other: a ? GB on GPU 0 (vllm); then b ? GB on GPU 0 (vllm)"
    )
    assert memory_of(arrangement(["a"], engine="server")) == "all at once: a (server)"
