"""A server that hangs, or is gone: the run waits, goes on, or ends in one sentence and goes on later."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nursery import Nursery, dataset_of
from preludes import NO_REPORT

from synthgen.testing import Fault, ScriptedServer

HASTY = """
from functools import partial
from synthgen.plms.engines.server import engine
engine.Patience = partial(engine.Patience, tries=3, absence=0.05, first=0.001, longest=0.01)
"""


@pytest.fixture(scope="module")
def whole(nursery: Nursery, recipe_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("served") / "run"
    with ScriptedServer() as server:
        assert nursery.run("run", served(recipe_of, server), "--out", out, prelude=NO_REPORT).code == 0
    return dataset_of(out)


def served(recipe_of: Callable[..., Path], server: ScriptedServer) -> Path:
    serving = {"mine": {"timeout": 0.3, "in_flight": 4}}
    return recipe_of(engine="server", plms=(f"mine={server.url}",), method="progen", samples=90, serving=serving)


def test_a_server_that_hangs_now_and_then(
    nursery: Nursery, recipe_of: Callable[..., Path], whole: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ScriptedServer(faults=[Fault("hang", every=20)]) as server:
        ended = nursery.run("run", served(recipe_of, server), "--out", out, prelude=NO_REPORT)
        assert ended.code == 0, ended.err
        assert len(server.seen) > server.answered
    assert dataset_of(out) == whole


@pytest.mark.parametrize("fault", ["hang", "drop", "500"])
def test_a_server_that_never_answers_again(
    fault: str, nursery: Nursery, recipe_of: Callable[..., Path], whole: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ScriptedServer(latency=0.01) as server:
        made = served(recipe_of, server)
        command = nursery.start("run", made, "--out", out, prelude=NO_REPORT + HASTY)
        assert command.wait_until(lambda: server.answered >= 40)
        server.add_fault(Fault(fault))  # type: ignore[arg-type]
        ended = command.wait()
        assert ended.code == 1
        assert ended.sentence.startswith(server.url)
        assert ended.sentence.endswith("go on with --resume.")
        server.clear_faults()
        again = nursery.run("run", made, "--out", out, "--resume", prelude=NO_REPORT)
        assert again.code == 0, again.err
    assert dataset_of(out) == whole


def test_a_server_that_is_gone_and_comes_back_elsewhere(
    nursery: Nursery, recipe_of: Callable[..., Path], whole: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ScriptedServer(latency=0.01) as server:
        command = nursery.start("run", served(recipe_of, server), "--out", out, prelude=NO_REPORT + HASTY)
        assert command.wait_until(lambda: server.answered >= 40)
    ended = command.wait()
    assert ended.code == 1
    assert ended.sentence.endswith("go on with --resume.")
    with ScriptedServer() as other:
        again = nursery.run("run", served(recipe_of, other), "--out", out, "--resume", prelude=NO_REPORT)
        assert again.code == 0, again.err
    assert dataset_of(out) == whole
