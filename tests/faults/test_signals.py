"""SIGTERM and SIGHUP end a run as Ctrl-C does: it says how to go on. A second signal ends it at once."""

import signal
from pathlib import Path

import pytest
from nursery import Ended, Nursery, dataset_of
from preludes import NO_REPORT, SLOW
from striking import Setting, assert_same, struck_until

from synthgen.cli import INTERRUPTED
from synthgen.runs.folder import read_manifest

ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SLOW_TO_CLOSE = """
import pathlib, time
from synthgen.plms.engineroom import EngineRoom

def close(room, plain=EngineRoom.close):
    pathlib.Path("closing").touch()
    time.sleep(60)
    pathlib.Path("closed").touch()
    plain(room)

EngineRoom.close = close
"""


@pytest.fixture(scope="module")
def setting(nursery: Nursery, recipe: Path, undisturbed: Path) -> Setting:
    return Setting(nursery, recipe, undisturbed, SLOW)


@pytest.mark.parametrize("sent", ENDS)
def test_the_first_signal_is_an_interrupt(setting: Setting, tmp_path: Path, sent: int) -> None:
    out = tmp_path / "run"
    command = setting.start(out)
    assert command.wait_until((out / "rounds" / "01" / "completions").exists)
    command.signal(sent)
    ended = command.wait()
    assert ended.code == INTERRUPTED
    assert "Interrupted; nothing finished is lost." in ended.err
    assert f"Continue with: synthgen run {out}/recipe.yaml --out {out} --resume" in ended.err
    assert "Traceback" not in ended.err
    assert read_manifest(out)["status"] == "interrupted"
    assert_same(setting, out)


@pytest.mark.parametrize("second", ENDS)
def test_the_second_signal_ends_it_at_once(setting: Setting, tmp_path: Path, second: int) -> None:
    out = tmp_path / "run"
    words = ("run", setting.recipe, "--out", out)
    command = setting.nursery.start(*words, cwd=tmp_path, prelude=SLOW + SLOW_TO_CLOSE)
    assert command.wait_until((out / "rounds" / "01" / "completions").exists)
    command.signal(signal.SIGINT)
    assert command.wait_until((tmp_path / "closing").exists)
    command.signal(second)
    ended = command.wait()
    assert ended.code == INTERRUPTED
    assert not (tmp_path / "closed").exists()
    assert "Traceback" not in ended.err
    assert_same(setting, out)


@pytest.mark.parametrize(("numbers", "times"), [([signal.SIGTERM], 4), ([signal.SIGINT, signal.SIGINT], 4)])
def test_at_any_moment_nothing_is_half_written(
    setting: Setting, tmp_path: Path, numbers: list[int], times: int
) -> None:
    def interrupted(ended: Ended) -> None:
        assert ended.code in {0, INTERRUPTED}, ended.err
        assert "Traceback" not in ended.err, ended.err

    struck_until(setting, tmp_path, seed=f"20261123 {numbers}", times=times, numbers=numbers, check=interrupted)


def test_what_is_ignored_stays_ignored(setting: Setting, tmp_path: Path) -> None:
    out, deaf = tmp_path / "run", "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    command = setting.start(out, deaf + NO_REPORT)
    assert command.wait_until((out / "rounds" / "00" / "completions").exists)
    command.signal(signal.SIGHUP)
    assert command.wait().code == 0
    assert dataset_of(out) == dataset_of(setting.whole)
