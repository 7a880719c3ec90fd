"""The papers' PLMs on machines of all sorts, without a weight: the driver's tool is a script that tells of GPUs."""

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from waiting import wait_until

from synthgen.errors import SynthgenError, UserError
from synthgen.plms import arrange as arranging
from synthgen.plms.arrange import Arrangement, arrange
from synthgen.plms.catalog import catalog
from synthgen.plms.engines.server import discover
from synthgen.plms.engines.vllm.find import VARIABLE
from synthgen.plms.engines.vllm.flags import command, environment
from synthgen.plms.resolve import resolve_plms
from synthgen.testing import ScriptedServer

SIX = ("gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5")
TRUST = {"chatglm3": {"trust_remote_code": True}}
Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend GPUs of so many gigabytes, a vLLM that is there or not, and so much main memory."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)

    def pretend(*gigabytes: float, vllm: bool = True, host: float = 64.0) -> None:
        rows = [f"{n}, GPU-{n}, NVIDIA H100, {gb * 953.674:.0f}, {gb * 953.674:.0f}" for n, gb in enumerate(gigabytes)]
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "nvidia-smi").write_text("#!/bin/sh\ncat <<'END'\n{}\nEND\n".format("\n".join(rows)))
        (tools / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(arranging, "host_memory", lambda: (host, host))
        if vllm:
            monkeypatch.setenv(VARIABLE, sys.executable)

    return pretend


def arranged(specs: Sequence[str] = SIX, wanted: Any = "auto", **serving: dict[str, Any]) -> Arrangement:
    settings = {**({} if "chatglm3" not in specs else TRUST), **serving}
    return arrange(resolve_plms(specs, "paper", serving=settings), wanted, look=False)


def grouped(arrangement: Arrangement) -> list[list[str]]:
    return [list(group.slots) for group in arrangement.groups]


def test_engines_of_the_six_on_a_gpu(machine: Machine) -> None:
    machine(80)
    found = arranged()
    assert {name: choice.engine for name, choice in found.chosen.items()} == {
        **dict.fromkeys(SIX, "vllm"),
        "flan-t5": "transformers",
    }
    assert found.notes == ["flan-t5 runs through transformers: vLLM does not serve encoder-decoders."]
    assert [plm.model for plm in found.plms] == [catalog()[name]["paper"].model for name in SIX]


@pytest.mark.parametrize(
    ("gigabytes", "groups"),
    [
        ([80], [["gpt2", "llama2", "vicuna", "opt", "chatglm3"], ["flan-t5"]]),
        ([24], [["gpt2", "llama2"], ["vicuna"], ["opt"], ["chatglm3"], ["flan-t5"]]),
        ([24, 24], [["gpt2", "llama2", "vicuna"], ["opt", "chatglm3"], ["flan-t5"]]),
        ([80, 80], [list(SIX)]),
        ([141], [list(SIX)]),
    ],
)
def test_which_of_the_six_are_up_together(machine: Machine, gigabytes: list[float], groups: list[list[str]]) -> None:
    machine(*gigabytes)
    found = arranged()
    assert grouped(found) == groups
    assert found.loads(5) == (6 if len(groups) == 1 else 30)


def test_the_six_without_a_gpu(machine: Machine) -> None:
    machine(host=64)
    found = arranged()
    assert {name: choice.engine for name, choice in found.chosen.items()} == {
        **dict.fromkeys(SIX, "transformers"),
        "chatglm3": "vllm",
    }
    assert found.notes == []
    # A CPU computes in 32 bits, so twice the catalog's gigabytes are needed of 0.8 * 64.
    assert grouped(found) == [["gpt2", "llama2"], ["vicuna"], ["opt"], ["chatglm3", "flan-t5"]]
    assert found.needs["llama2"] == 2 * catalog()["llama2"]["paper"].memory
    assert all(slot.gpus == () for group in found.groups for slot in group.slots.values())


def test_the_command_lines_of_the_six(machine: Machine) -> None:
    machine(141)
    found = arranged()
    lines: dict[str, list[str]] = {}
    for plm in found.plms:
        if found.chosen[plm.name].engine == "vllm":
            slot = found.groups[0].slots[plm.name]
            lines[plm.name] = command(plm, python="python", port=1, slot=slot)
            around = environment(plm, slot, {"OPENAI_API_KEY": "secret"})
            assert around["CUDA_VISIBLE_DEVICES"] == "0"
            assert "OPENAI_API_KEY" not in around
            assert ("SYNTHGEN_OLD_TOKENIZER" in around) == (plm.name == "chatglm3")
    assert set(lines) == {*SIX} - {"flan-t5"}
    for name, line in lines.items():
        assert line[2] == catalog()[name]["paper"].model
        assert f"--served-model-name={name}" in line
        assert "--dtype=float16" in line
        assert f"--gpu-memory-utilization={found.groups[0].slots[name].share}" in line
        assert ("--trust-remote-code" in line) == (name == "chatglm3")
        assert any(flag.startswith("--hf-overrides=") for flag in line) == (name == "chatglm3")
        templates = [Path(flag.partition("=")[2]) for flag in line if flag.startswith("--chat-template=")]
        assert [template.name for template in templates] == (["vicuna.jinja"] if name == "vicuna" else [])
        assert all(template.is_file() for template in templates)
    overrides = next(flag for flag in lines["chatglm3"] if flag.startswith("--hf-overrides="))
    assert json.loads(overrides.partition("=")[2]) == {"tie_word_embeddings": False}
    shares = [slot.share or 0.0 for slot in found.groups[0].slots.values()]
    assert 0.85 < sum(shares) <= 0.9


def test_chatglm3_wants_to_be_trusted(machine: Machine) -> None:
    machine(80)
    with pytest.raises(UserError, match=r"--set serving\.chatglm3\.trust_remote_code=true"):
        arrange(resolve_plms(["chatglm3"], "paper"), "auto", look=False)


@pytest.mark.parametrize(
    ("specs", "gigabytes", "said"),
    [
        (
            ["llama2"],
            [12],
            r"llama2 \(meta-llama/.*\) needs 16\.0 GB, this machine has 10\.8 GB .*; llama2:pocket would",
        ),
        (["opt"], [12], r"; opt:pocket and opt:small would fit\.$"),
        (["phi4"], [12], r"needs 33\.0 GB, .* 10\.8 GB for it; phi4:small would fit\.$"),
        (["phi4"], [24, 24, 24], r"; phi4:small would fit\.$"),
        (
            ["mistral"],
            [12],
            r"take a smaller one or a server elsewhere \(--plms mistral=URL\).*serving\.mistral\.memory",
        ),
    ],
)
def test_what_is_too_large_is_refused_with_the_sizes_that_fit(
    machine: Machine, specs: list[str], gigabytes: list[float], said: str
) -> None:
    machine(*gigabytes)
    settings = {} if len(gigabytes) == 1 else {"phi4": {"memory": 60}}
    with pytest.raises(UserError, match=said):
        arranged(specs, **settings)


def test_what_is_too_large_for_a_cpu(machine: Machine) -> None:
    machine(host=16)
    with pytest.raises(UserError, match=r"needs 32\.0 GB, this machine has 12\.8 GB for it; opt:pocket and opt:small"):
        arranged(["opt"])


def test_the_format_of_the_weights_counts(machine: Machine) -> None:
    machine(host=100)
    assert arranged(["llama2"]).needs == {"llama2": 32}
    assert arranged(["llama2"], llama2={"dtype": "float32"}).needs == {"llama2": 32}
    assert arranged(["llama2"], llama2={"dtype": "auto"}).needs == {"llama2": 32}
    assert arranged(["llama2"], llama2={"dtype": "bfloat16"}).needs == {"llama2": 16}
    assert arranged(["llama2"], llama2={"memory": 9}).needs == {"llama2": 9}
    machine(80)
    assert arranged(["llama2"]).needs == {"llama2": 16}
    assert arranged(["llama2"], llama2={"dtype": "float32"}).needs == {"llama2": 32}


def test_what_the_user_says_of_gpus_is_done(machine: Machine) -> None:
    machine(80, 80)
    (group,) = arranged(["llama2", "opt"], llama2={"tensor_parallel_size": 2}).groups
    assert group.slots["llama2"].gpus == (0, 1)
    two = arranged(["llama2", "opt"], all={"gpu_memory_utilization": 0.85})
    assert [slot.gpus for slot in two.groups[0].slots.values()] == [(0,), (1,)]
    machine(80)
    assert len(arranged(["llama2", "opt"], all={"gpu_memory_utilization": 0.85}).groups) == 2
    with pytest.raises(UserError, match=r"serving\.llama2\.tensor_parallel_size is 2; this machine has 1 GPUs"):
        arranged(["llama2"], llama2={"tensor_parallel_size": 2})


def test_a_pocket_plm_gets_enough_of_a_gpu_for_vllm_to_start(machine: Machine) -> None:
    machine(80)
    (group,) = arranged(["tiny=gpt2:pocket", "llama2"], "vllm").groups
    assert (group.slots["tiny"].share or 0) * 80 >= 2


def test_scripted_asks_nobody_and_needs_nothing(machine: Machine) -> None:
    machine(12)
    plms = resolve_plms(["llama2:paper", "org/model", "mine=http://127.0.0.1:1/v1"], "paper")
    found = arrange(plms, "scripted")
    assert found.plms == plms
    assert grouped(found) == [["llama2", "model", "mine"]]
    assert found.loads(5) == 0


@pytest.mark.usefixtures("machine")
def test_a_server_says_what_it_serves() -> None:
    with ScriptedServer(models=("org/served",), max_model_len=512) as server:
        (plm,) = arrange(resolve_plms([f"mine={server.origin}"], "paper"), "auto").plms
    assert (plm.model, plm.context, plm.urls) == ("org/served", 512, (server.url,))


def answering(body: bytes | None, asked: list[bytes]) -> tuple[socket.socket, Thread]:
    """Answer every connection with the same bytes; with None, never."""
    listener = socket.create_server(("127.0.0.1", 0))
    held = []

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            asked.append(connection.recv(65536))
            held.append(connection)
            if body is not None:
                connection.sendall(body)
                connection.close()
        for connection in held:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    return listener, thread


PAGE = b"<!doctype html><html><body>Please log in.</body></html>"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
    len(PAGE),
    PAGE,
)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (HTML, UserError, r"does not answer as an OpenAI-compatible server does \(it sends a web page\)"),
        (None, SynthgenError, r"Nothing answers at http://127\.0\.0\.1:\d+/v1 .*see to the server"),
        (b"not HTTP at all\r\n", SynthgenError, r"Nothing answers at"),
    ],
)
def test_a_server_that_is_none(
    monkeypatch: pytest.MonkeyPatch, body: bytes | None, kind: type[Exception], said: str
) -> None:
    if body is None:
        monkeypatch.setattr(discover, "SECONDS", 0.3)
    asked: list[bytes] = []
    listener, thread = answering(body, asked)
    try:
        port = listener.getsockname()[1]
        with pytest.raises(kind, match=said):
            arrange(resolve_plms([f"mine=http://127.0.0.1:{port}/v1"], "paper"), "auto")
        wait_until(lambda: bool(asked))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert len(asked) == 1
