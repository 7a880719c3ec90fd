"""``plms`` and ``doctor``, on machines made of a stand-in for the driver's tool."""

import json
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from cli.conftest import Cli
from hypothesis import given
from hypothesis import strategies as st

from synthgen.cli.know import judge
from synthgen.plms import catalog as catalog_module
from synthgen.plms import pocket
from synthgen.plms.catalog import PLM, catalog, plm_of
from synthgen.plms.hardware import GPU
from synthgen.plms.resolve import resolve_plm

SECRET = "sk-very-secret-value"
ALL = {f"{family}:{size}": entry for family, sizes in catalog().items() for size, entry in sizes.items()}


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, no vLLM elsewhere, no keys, nothing downloaded."""
    away = tmp_path_factory.mktemp("away")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(away / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(away / "token"))
    for name in ("SYNTHGEN_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "SYNTHGEN_VLLM_PYTHON", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(away))


def program(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def with_gpus(folder: Path, monkeypatch: pytest.MonkeyPatch, *gigabytes: int) -> None:
    rows = "\\n".join(f"{n}, GPU-{n}, NVIDIA Test, {g * 954}, {g * 954}" for n, g in enumerate(gigabytes))
    program(folder, "nvidia-smi", f"case \"$*\" in *driver*) echo 580.65.06;; *) printf '{rows}\\n';; esac")
    monkeypatch.setenv("PATH", str(folder))


def verdicts(cli: Cli) -> dict[str, dict[str, Any]]:
    ran = cli("plms", "--json")
    assert ran.code == 0, ran.err
    return {row["plm"]: row["here"] for row in json.loads(ran.out)["plms"]}


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_every_plm_stands_in_the_table_unbroken(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = cli("plms")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    for plm, entry in ALL.items():
        at = next(number for number, words in enumerate(lines) if words[:1] == [plm])
        assert lines[at + 1][0] == entry.model
    assert max(map(len, ran.out.splitlines())) <= columns
    assert "…" not in ran.out


def test_json_is_the_whole_catalog_with_verdicts(cli: Cli) -> None:
    ran = cli("plms", "--json")
    printed = json.loads(ran.out)
    assert [row["plm"] for row in printed["plms"]] == list(ALL)
    for row in printed["plms"]:
        entry = json.loads(ALL[row["plm"]].model_dump_json())
        assert {name: row[name] for name in entry} == entry
        assert set(row["here"]) == {"runs", "engine", "said"}
    assert printed["machine"]["gpus"] == []
    assert printed["machine"]["memory"] > 0
    (family,) = {row["family"] for row in json.loads(cli("plms", "opt", "--json").out)["plms"]}
    assert family == "opt"


def test_one_family_is_shown_in_full(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = " ".join(cli("plms", "chatglm3").out.split())
    for size in catalog()["chatglm3"].values():
        for fact in (size.model, size.license, size.terms, size.quirk, size.architecture):
            assert fact is None or fact in shown
    assert "8,192 tokens" in shown
    assert "llama2" not in shown


def test_an_unknown_family_is_told_the_nearest(cli: Cli) -> None:
    ran = cli("plms", "lama2")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean llama2?" in ran.err
    assert ran.err.count("\n") == 1


def test_without_a_gpu(cli: Cli) -> None:
    found = verdicts(cli)
    for family in ("gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5"):
        assert found[f"{family}:pocket"] == {"runs": True, "engine": "transformers", "said": "yes"}
    assert found["gpt2:small"]["said"] == "yes, once downloaded"
    assert found["gpt-4o:hosted"] == {"runs": False, "engine": "server", "said": "with OPENAI_API_KEY"}


def test_with_a_gpu_and_vllm(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(tmp_path / "bin", monkeypatch, 24)
    monkeypatch.setenv("SYNTHGEN_VLLM_PYTHON", sys.executable)
    found = verdicts(cli)
    assert found["llama2:paper"] == {"runs": True, "engine": "vllm", "said": "yes, once you have access (gated)"}
    assert found["vicuna:paper"]["said"] == "yes, once downloaded"
    assert found["chatglm3:paper"]["said"] == "yes, once downloaded, and only if you trust its code"
    assert found["flan-t5:paper"]["engine"] == "transformers"
    assert found["phi4:paper"]["runs"] is False
    assert found["phi4:paper"]["said"].startswith("no: needs 33 GB, has 2")
    with_gpus(tmp_path / "bin", monkeypatch, 24, 24)
    assert verdicts(cli)["phi4:paper"]["runs"] is True


@pytest.mark.skipif(getattr(find_spec("vllm"), "origin", None) is not None, reason="vLLM is installed beside synthgen")
def test_with_a_gpu_and_no_vllm(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(tmp_path / "bin", monkeypatch, 24)
    found = verdicts(cli)
    assert found["vicuna:paper"] == {"runs": True, "engine": "transformers", "said": "yes, once downloaded"}
    without = {"runs": False, "engine": "vllm", "said": "no: with vLLM only, and only if you trust its code"}
    assert found["chatglm3:paper"] == without


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin.index.json"])
def test_what_is_downloaded_needs_no_more(cli: Cli, file: str) -> None:
    folder = Path(huggingface_hub.constants.HF_HUB_CACHE) / "models--openai-community--gpt2"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    assert verdicts(cli)["gpt2:small"]["said"] == "yes, once downloaded"
    (folder / "snapshots" / "abc" / file).touch()
    assert verdicts(cli)["gpt2:small"]["said"] == "yes"


def test_a_hosted_plm_runs_with_its_key_which_is_never_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert verdicts(cli)["gpt-4o:hosted"]["runs"] is True
    shown = [cli(*words) for words in (["plms"], ["plms", "gpt-4o"], ["doctor"], ["doctor", "--json"])]
    assert not any(SECRET in ran.out + ran.err for ran in shown)
    assert "ok    API keys: OPENAI_API_KEY\n" in shown[2].out
    assert "ok    Hub token: found\n" in shown[2].out


def test_a_wrong_vllm_python_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_VLLM_PYTHON", "/nowhere/python")
    ran = cli("plms")
    assert (ran.code, ran.out) == (2, "")
    assert "/nowhere/python" in ran.err


def real_plms() -> list[PLM]:
    found = ((*name.split(":"), entry) for name, entry in ALL.items() if entry.memory)
    return [plm_of(family, entry, size) for family, size, entry in found]


@given(st.sampled_from(real_plms()), st.floats(0.05, 400), st.floats(0, 400), st.booleans())
def test_more_memory_never_takes_a_plm_away(plm: PLM, memory: float, more: float, gpu: bool) -> None:
    def runs(gigabytes: float) -> bool:
        cards = (GPU(0, "a GPU", gigabytes, gigabytes),) if gpu else ()
        return judge(plm, cards, gigabytes).runs

    assert runs(memory) <= runs(memory + more)
    if runs(memory) and plm.parameters:
        assert memory > plm.parameters


def test_a_cpu_computes_in_wider_numbers() -> None:
    llama2 = resolve_plm("llama2", "paper")
    assert not judge(llama2, (), 30).runs
    assert judge(llama2, (), 30).said == "no: needs 32 GB on a CPU, has 24 GB"
    assert judge(llama2, (), 64).said == "yes, slowly, once you have access (gated)"
    assert judge(replace(llama2, gated=False), (), 64).said == "yes, slowly, once downloaded"


def test_doctor_is_content_here_and_says_what_to_do_elsewhere(cli: Cli) -> None:
    ran = cli("doctor")
    assert ran.code == 0, ran.out
    lines = ran.out.splitlines()
    for name in ("python", "torch", "transformers", "pocket PLMs", "memory", "disk", "Hub cache", "GPU", "vLLM"):
        assert any(line[6:].startswith(f"{name}: ") for line in lines)
    for line in lines:
        assert line.startswith(("ok    ", "no    "))
        assert ("; " in line) == line.startswith("no")
    checks = json.loads(cli("doctor", "--json").out)
    assert checks["ok"] is True
    assert len(checks["checks"]) == len(lines)
    assert all(check["ok"] == (check["todo"] is None) for check in checks["checks"])


def test_doctor_and_plms_see_a_damaged_pocket_model(
    cli: Cli, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(pocket.POCKET, copy / "pocket")
    (copy / "pocket" / "opt" / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(catalog_module, "_HERE", copy)
    ran = cli("doctor")
    assert ran.code == 1
    assert "fail  pocket PLMs: opt missing or damaged; install synthgen again\n" in ran.out
    asked = cli("doctor", "--json")
    assert (asked.code, json.loads(asked.out)["ok"]) == (1, False)


def test_doctor_and_gpus(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(tmp_path / "bin", monkeypatch, 24, 80)
    out = cli("doctor").out
    assert "ok    GPU 1: NVIDIA Test, 80 of 80 GB free, driver 580.65.06\n" in out
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert "no    GPU: hidden by CUDA_VISIBLE_DEVICES=5; unset it" in cli("doctor").out
    program(tmp_path / "bin", "nvidia-smi", "echo 'NVML: Driver/library version mismatch'; exit 18")
    assert "no    GPU: nvidia-smi reports none; restart" in cli("doctor").out


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo 0.32.0", "ok    vLLM: 0.32.0, through SYNTHGEN_VLLM_PYTHON="),
        ("exit 1", "no    vLLM: cannot be imported through SYNTHGEN_VLLM_PYTHON="),
        (None, "/python, which is no program; let it name the python of vLLM's environment"),
    ],
)
def test_doctor_and_vllms_own_environment(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, says: str
) -> None:
    path = program(tmp_path, "python", body) if body else tmp_path / "python"
    monkeypatch.setenv("SYNTHGEN_VLLM_PYTHON", str(path))
    assert says in cli("doctor").out
