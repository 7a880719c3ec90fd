"""A run killed at any moment goes on to the same dataset, byte for byte, whatever engine it runs on."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nursery import Ended, Nursery
from preludes import NO_REPORT, SLOW
from striking import Setting, struck_until

from synthgen.testing import ScriptedServer

SEED = 20261123
FEW = {"scripted": 6, "server": 4, "transformers": 2}
MANY = {"scripted": 60, "server": 25, "transformers": 15}


@pytest.fixture(scope="module", params=list(FEW))
def setting(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    recipe_of: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Setting]]:
    with ScriptedServer(latency=0.002) as server:
        settings: dict[str, dict[str, object]] = {
            "scripted": {"samples": 120},
            "server": {"engine": "server", "plms": (f"mine={server.url}",), "samples": 80, "method": "progen"},
            "transformers": {"engine": "transformers", "samples": 6, "rounds": 1},
        }
        whole = tmp_path_factory.mktemp(request.param) / "run"
        prelude = SLOW if request.param == "scripted" else ""
        made = Setting(nursery, recipe_of(**settings[request.param]), whole, prelude)
        ended = made.start(whole, NO_REPORT).wait()
        assert ended.code == 0, ended.err
        yield request.param, made


def killed(ended: Ended) -> None:
    assert ended.code in {0, -signal.SIGKILL}, ended.err
    assert "Traceback" not in ended.err


def test_a_few_kills(setting: tuple[str, Setting], tmp_path: Path) -> None:
    engine, made = setting
    seed, times = f"{SEED} few {engine}", FEW[engine]
    struck_until(made, tmp_path, seed=seed, times=times, numbers=[signal.SIGKILL], check=killed)


@pytest.mark.long
def test_a_hundred_kills(setting: tuple[str, Setting], tmp_path: Path) -> None:
    engine, made = setting
    seed, times = f"{SEED} many {engine}", MANY[engine]
    struck_until(made, tmp_path, seed=seed, times=times, numbers=[signal.SIGKILL], check=killed)
