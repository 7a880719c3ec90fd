import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import UserError
from synthgen.plan import plan_recipe
from synthgen.plms import arrange as arranging
from synthgen.plms.engines.vllm.find import VARIABLE
from synthgen.recipe import make_recipe

Machine = Callable[..., None]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection or looks up a name fails, loudly."""

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("a plan asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend GPUs of so many gigabytes, with vLLM, or none, and so much main memory."""

    def pretend(*gigabytes: float, host: float = 64.0) -> None:
        rows = [
            f"{n}, GPU-{n}, NVIDIA A100-SXM4, {gb * 953.674:.0f}, {gb * 953.674:.0f}" for n, gb in enumerate(gigabytes)
        ]
        tool = tmp_path / "nvidia-smi"
        tool.write_text("#!/bin/sh\ncat <<'END'\n{}\nEND\n".format("\n".join(rows)))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv(VARIABLE, sys.executable)
        monkeypatch.setattr(arranging, "host_memory", lambda: (host, host))

    return pretend


def planned(*plms: str, profile: str = "paper", **settings: Any) -> dict[str, Any]:
    return plan_recipe(make_recipe({"task": "imdb", "plms": plms, "profile": profile, **settings}))


def test_memory_time_and_loads_on_one_gpu(machine: Machine) -> None:
    machine(80)
    plan = planned("llama2", "opt", "flan-t5", rounds=4)
    assert plan["memory"].startswith("all at once: llama2 16 GB on GPU 0 (vllm), opt 16 GB on GPU 0 (vllm), flan-t5 8")
    assert plan["memory"].endswith("(transformers)")
    assert plan["time"].startswith("about ")
    assert plan["loads"] == "3, each PLM once a run"


def test_memory_time_and_loads_on_a_small_gpu(machine: Machine) -> None:
    machine(24)
    plan = planned("llama2", "opt", rounds=4)
    assert plan["memory"] == ("one group after the other: llama2 16 GB on GPU 0 (vllm); then opt 16 GB on GPU 0 (vllm)")
    assert plan["loads"] == "10, each PLM once a round"


def test_on_a_cpu_the_memory_is_that_of_32_bits(machine: Machine) -> None:
    machine()
    assert planned("llama2")["memory"] == "all at once: llama2 32 GB (transformers)"


@pytest.mark.parametrize(
    ("plms", "said"),
    [
        (["llama2", "opt"], "llama2 (meta-llama/Llama-2-7b-chat-hf) needs 16.0 GB, this machine has 10.8 GB for it"),
        (["chatglm3"], "add --set serving.chatglm3.trust_remote_code=true"),
    ],
)
def test_what_this_machine_cannot_run_is_planned_all_the_same(machine: Machine, plms: list[str], said: str) -> None:
    machine(12)
    plan = planned(*plms)
    assert plan["memory"].startswith("not on this machine: ")
    assert said in plan["memory"]
    assert (plan["time"], plan["loads"]) == ("not known", "none")
    assert plan["samples"] == 1000 * len(plms)
    assert plan["prompts"]["zero_shot"]


def test_servers_and_models_of_the_hub_are_not_asked(machine: Machine) -> None:
    machine(80)
    plan = planned("mine=http://127.0.0.1:9/v1", "org/model", "gpt-4o")
    assert plan["plms"] == ["mine (what its server serves)", "model (org/model)", "gpt-4o (gpt-4o)"]
    assert plan["memory"] == "all at once: mine (server), model ? GB on GPU 0 (vllm), gpt-4o (server)"
    assert plan["time"] == "not known"


def test_a_folder_is_looked_into(machine: Machine, tmp_path: Path) -> None:
    machine(80)
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(UserError, match="holds no model"):
        planned(str(folder))
    config = {"is_encoder_decoder": True, "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(2 * 10**9)
    assert planned(str(folder))["memory"] == "all at once: mine 4.3 GB on GPU 0 (transformers)"


def test_the_pocket_profile(machine: Machine) -> None:
    machine()
    plan = planned("gpt2", "opt", profile="pocket")
    assert plan["memory"] == "all at once: gpt2 0.1 GB (transformers), opt 0.1 GB (transformers)"
    assert plan["samples_by_round"] == [200] * 5
    assert planned("gpt2", profile="pocket", engine="scripted")["memory"] == "all at once: gpt2 (scripted)"


def test_more_samples_take_no_less(machine: Machine) -> None:
    machine(80)
    plans = [planned("llama2", samples=samples) for samples in (100, 1_000, 10_000, 1_000_000)]
    for key in ("prompt (about)", "completion (about)", "completion (at most, before retries)"):
        counts = [plan["tokens"][key] for plan in plans]
        assert counts == sorted(set(counts))
    units = {"s": 1, "min": 60, "h": 3600}
    times = [plan["time"].split() for plan in plans]
    seconds = [float(number) * units[unit] for _, number, unit in times]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1]
