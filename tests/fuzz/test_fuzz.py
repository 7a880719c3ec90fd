"""Every parser and every writer, fed what nobody would write: a sentence or a result, in time, and nothing else."""

import json
import subprocess
import sys
from time import sleep

import pytest
from hostile_inputs import documents
from hostile_places import REPOSITORY
from hostile_target import HungError, Target, time_limit
from hostile_targets import TARGETS
from hypothesis import HealthCheck, given, settings

from synthgen.errors import UserError

ORDINARY = 120
"""Inputs a target in the ordinary suite, fewer where each takes long."""


@pytest.mark.parametrize("name", TARGETS)
def test_only_a_sentence_comes_out(name: str) -> None:
    target = TARGETS[name]()
    assert target.name == name
    for seed in target.seeds:
        target(seed)

    @settings(max_examples=min(ORDINARY, target.million // 80), suppress_health_check=list(HealthCheck), deadline=None)
    @given(documents(target))
    def feed(data: bytes) -> None:
        target(data)

    feed()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_a_million_of_them_together(name: str) -> None:
    """By coverage where atheris is installed, which is on Linux."""
    command = [sys.executable, str(REPOSITORY / "tools" / "fuzz.py"), name, "--inputs", str(TARGETS[name]().million)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3_000:]
    assert json.loads(ran.stdout.splitlines()[-1])["inputs"] >= TARGETS[name]().million


def test_the_shares_make_a_million() -> None:
    assert sum(TARGETS[name]().million for name in TARGETS) >= 1_000_000


def _fails(error: BaseException) -> Target:
    def feed(_: bytes) -> None:
        raise error

    return Target("broken", feed, [b""])


@pytest.mark.parametrize("error", [KeyError("x"), UserError(""), UserError("a" * 5_000), HungError("x")])
def test_what_is_no_sentence_is_found(error: BaseException) -> None:
    target = _fails(error)
    if str(error) and len(str(error)) > 1_000:
        # The sentence is cut where it is made.
        assert len(target(b"") or "") <= 1_001
        return
    with pytest.raises((AssertionError, KeyError, HungError)):
        target(b"")


def test_a_sentence_is_fine() -> None:
    assert _fails(UserError("Say it otherwise."))(b"") == "Say it otherwise."


def test_a_hang_is_found() -> None:
    with pytest.raises(HungError), time_limit(2):
        sleep(60)
