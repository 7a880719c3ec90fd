"""A run against servers, as a person types it: addresses change, servers fail, settings have dots."""

import shutil
from pathlib import Path

import pytest
from cli.conftest import Cli

from synthgen.recipe import read_recipe
from synthgen.testing import Fault, ScriptedServer

SMALL = ["--task", "imdb", "--gold", "none", "--samples", "12", "--rounds", "1", "--demos", "2", "--candidates", "4"]


def test_a_dead_server_then_a_healthy_one_at_another_address(cli: Cli) -> None:
    with ScriptedServer(faults=[Fault("500", every=1)]) as ill:
        ended = cli("fusegen", *SMALL, "--plms", f"a={ill.url}", "--out", "run", "--set", "serving.a.in_flight=1")
    assert ended.code == 1
    (error,) = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert "--resume" in error
    assert "Continue with: synthgen run run/recipe.yaml --out run --resume" in ended.err
    with ScriptedServer() as well:
        again = cli("run", "run/recipe.yaml", "--out", "run", "--resume", "--plms", f"a={well.url}")
    assert again.code == 0, again.err
    assert well.url in read_recipe(Path("run/recipe.yaml")).plms[0]


def test_a_resume_with_another_model_is_refused(cli: Cli) -> None:
    with ScriptedServer(models=["mine"]) as server:
        assert cli("fusegen", *SMALL, "--plms", f"a={server.url}", "--out", "run").code == 0
    with ScriptedServer(models=["other"]) as server:
        refused = cli("fusegen", *SMALL, "--plms", f"a={server.url}", "--out", "run", "--resume")
        assert server.seen == []
    assert refused.code == 2
    assert "a was mine, and now it is other" in refused.err


def test_settings_of_a_plm_with_dots_in_its_name(cli: Cli) -> None:
    with ScriptedServer() as server:
        named = ["--plms", f"Qwen2.5=mine@{server.url}", "--set", "serving.Qwen2.5.choices=4"]
        assert cli("fusegen", *SMALL, *named, "--out", "run").code == 0
        assert server.seen[0]["n"] == 3  # what one label wants in one round
    assert read_recipe(Path("run/recipe.yaml")).serving == {"Qwen2.5": {"choices": 4}}


def test_no_address_in_what_is_published(cli: Cli) -> None:
    with ScriptedServer() as server:
        assert cli("fusegen", *SMALL, "--endpoint", server.url, "--out", "run").code == 0
        host = server.url.split("/")[2]
    for name in ("report.html", "dataset/README.md"):
        assert host not in (Path("run") / name).read_text(encoding="utf-8")


def test_a_plm_without_a_server_is_not_looked_up(cli: Cli) -> None:
    with ScriptedServer() as server:
        named = ["--plms", f"a={server.url},org/model", "--engine", "server"]
        assert "model has no server" in cli("fusegen", *SMALL, *named, "--out", "run").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--endpoint", "notaurl"], "http://host:8000/v1"),
        (["--plms", "opt", "--set", "task.x=1"], "task is no group of settings"),
        (["--plms", "opt", "--set", "serving.opt.environment.HF_TOKEN=x"], "secrets are never written down"),
    ],
)
def test_wrong_arguments_about_servers(cli: Cli, arguments: list[str], says: str) -> None:
    refused = cli("plan", "fusegen", *SMALL, *arguments)
    assert refused.code == 2
    assert says in refused.err


def test_a_python_without_vllm_is_told_before_it_is_started(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_VLLM_PYTHON", shutil.which("false") or "false")
    refused = cli("fusegen", *SMALL, "--plms", "opt", "--profile", "pocket", "--engine", "vllm", "--out", "run")
    assert refused.code == 2
    assert "has no vLLM; let SYNTHGEN_VLLM_PYTHON name" in refused.err
    assert not Path("run/logs").exists()
