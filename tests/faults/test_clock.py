"""The clock may jump, back or forth: nothing but the times in the manifest and the log comes from it."""

from pathlib import Path

import pytest
from nursery import Nursery, dataset_of
from preludes import NO_REPORT, SLOW, when_opened

from synthgen.runs.folder import read_manifest

JUMPING = """
import datetime, sys, time

class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None, plain=datetime.datetime.now):
        return plain(tz) + datetime.timedelta(seconds=jump)

jump, plain_time = 0, time.time
time.time = lambda: plain_time() + jump
met = [name for name, module in sys.modules.items() if getattr(module, "datetime", None) is datetime.datetime]
assert "synthgen.runs.folder" in met
for name in met:
    sys.modules[name].datetime = Jumping
"""


@pytest.mark.parametrize("seconds", [-86_400, -3 * 10**8, 86_400])
def test_a_clock_that_jumps_in_the_middle_of_a_run(
    seconds: int, nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    jumps = when_opened("01/completions", f"globals()['jump'] = {seconds}")
    ended = nursery.run("run", recipe, "--out", out, prelude=NO_REPORT + SLOW + JUMPING + jumps)
    assert ended.code == 0, ended.err
    assert dataset_of(out) == dataset
    manifest = read_manifest(out)
    assert (manifest["finished"] < manifest["started"]) == (seconds < 0)


def test_a_run_of_tomorrow_is_gone_on_with(nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    tomorrow = JUMPING + "jump = 86_400\n" + when_opened("01/completions", "os.kill(os.getpid(), 9)")
    assert nursery.run("run", recipe, "--out", out, prelude=tomorrow).code == -9
    ended = nursery.run("run", recipe, "--out", out, "--resume", prelude=NO_REPORT)
    assert ended.code == 0, ended.err
    assert dataset_of(out) == dataset
