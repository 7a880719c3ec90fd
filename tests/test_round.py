"""Whole runs over servers of the test's own: side by side or not, with faults, broken off and taken up again."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count as counted
from pathlib import Path
from typing import Any

import pytest

from synthgen import execute
from synthgen.errors import SynthgenError
from synthgen.events import Event, Generated, ignore
from synthgen.plms.engines.scripted import default_script
from synthgen.plms.engines.server import engine as server_engine
from synthgen.plms.engines.server.patience import Patience
from synthgen.recipe import make_recipe
from synthgen.records import Request
from synthgen.runs.read import Run, load_run
from synthgen.testing import Fault, ScriptedServer

WAIT = 60
"""Seconds after which a test that waits for another thread gives up."""
NAMES = ("left", "right")
Servers = tuple[ScriptedServer, ScriptedServer]


def label(prompt: str) -> str:
    return max(("negative", "positive"), key=lambda name: prompt.rfind(f"{name} in tone"))


def write(request: Request) -> str:
    """Write texts of which some are rejected, so that some are asked for again."""
    return "Too short." if request.seed % 6 == 0 else default_script(request)


def serving(model: str, script: Callable[[Request], str] = write, **settings: Any) -> ScriptedServer:
    return ScriptedServer(models=(model,), label=label, script=script, **settings)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a server three more tries, milliseconds apart."""
    short = partial(Patience, tries=3, absence=0.05, first=0.001, longest=0.01)
    monkeypatch.setattr(server_engine, "Patience", short)


def ran(
    out: Path,
    servers: Servers,
    *,
    observe: Callable[[Event], None] = ignore,
    resume: Any = "never",
    **serve: Any,
) -> Run:
    small = {"samples": 30, "rounds": 1, "demos": 4, "candidates": 12, "gold": "none"}
    plms = tuple(f"{name}={name}-model@{server.url}" for name, server in zip(NAMES, servers, strict=True))
    recipe = make_recipe({"task": "imdb", "plms": plms, "serving": {"all": serve}, **small})
    return execute(recipe, out=out, observe=observe, resume=resume)


def written_now(event: Event) -> str | None:
    """Return the PLM that has just written, None for any other event."""
    return event.plm if isinstance(event, Generated) and event.tokens else None


def dataset(out: Path) -> bytes:
    return (out / "dataset" / "train.parquet").read_bytes()


def journaled(out: Path, name: str) -> int:
    found = 0
    for path in out.glob(f"rounds/*/completions/{name}.jsonl"):
        found += sum(len(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, int]]:
    """The dataset of the run with one request at a time, and how many each server was asked."""
    out = tmp_path_factory.mktemp("plain") / "run"
    with serving("left-model") as left, serving("right-model") as right:
        run = ran(out, (left, right), in_flight=1)
        assert run.metrics["rejected_by_reason"]["too_short"] > 3
        return dataset(out), {"left": len(left.seen), "right": len(right.seen)}


Plain = tuple[bytes, dict[str, int]]


@pytest.fixture
def both() -> Iterator[Servers]:
    with serving("left-model") as left, serving("right-model") as right:
        yield left, right


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("500", every=7)],
        [Fault("429", every=3, retry_after=0), Fault("garbage", every=11)],
        [Fault("drop", every=5), Fault("slow", every=2, seconds=0.01)],
        [Fault("cut", every=5), Fault("half-utf8", every=6), Fault("null-text", every=9)],
    ],
    ids=lambda faults: "+".join(fault.kind for fault in faults) or "none",
)
def test_the_dataset_is_the_same_whatever_happens_on_the_way(
    tmp_path: Path, both: Servers, plain: Plain, faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However often a request is struck in a row.
    monkeypatch.setattr(server_engine, "Patience", partial(server_engine.Patience, tries=40, absence=60.0))
    for fault in faults:
        both[0].add_fault(fault)
    run = ran(tmp_path / "run", both)
    assert dataset(run.path) == plain[0]
    asked = len(both[0].seen)
    assert asked > plain[1]["left"] if any(fault.kind != "slow" for fault in faults) else asked == plain[1]["left"]
    assert len(both[1].seen) == plain[1]["right"]
    assert run.metrics["loads"] == {}


def test_several_completions_a_request_make_a_dataset_of_their_own_that_repeats(tmp_path: Path, both: Servers) -> None:
    first, second = (dataset(ran(tmp_path / name, both, choices=4).path) for name in ("first", "second"))
    assert first == second
    assert any(body.get("n", 1) > 1 for body in both[0].seen)


def test_servers_write_at_the_same_time(tmp_path: Path, plain: Plain) -> None:
    meeting = threading.Barrier(2, timeout=WAIT)
    met = set()

    def script(name: str, request: Request) -> str:
        if name not in met:
            met.add(name)
            meeting.wait()
        return write(request)

    with (
        serving("left-model", script=partial(script, "left")) as left,
        serving("right-model", script=partial(script, "right")) as right,
    ):
        assert dataset(ran(tmp_path / "run", (left, right)).path) == plain[0]
    assert not meeting.broken


def test_texts_are_judged_while_another_plm_still_writes(tmp_path: Path, plain: Plain) -> None:
    judged = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, Generated) and event.plm == "left" and event.accepted:
            judged.set()

    def after_the_other(request: Request) -> str:
        assert judged.wait(WAIT)
        return write(request)

    with serving("left-model") as left, serving("right-model", script=after_the_other) as right:
        assert dataset(ran(tmp_path / "run", (left, right), observe=hear).path) == plain[0]
    assert judged.is_set()


def failing_after(count: int) -> Callable[[Request], str]:
    written: list[Request] = []

    def script(request: Request) -> str:
        if len(written) >= count:
            raise RuntimeError("out of memory")
        written.append(request)
        return write(request)

    return script


@pytest.mark.parametrize("count", [0, 9, 20, 29])
def test_a_server_that_fails_for_good_leaves_a_run_that_goes_on_elsewhere(
    tmp_path: Path, plain: Plain, count: int
) -> None:
    out = tmp_path / "run"
    with (
        serving("left-model") as left,
        serving("right-model", script=failing_after(count)) as right,
        pytest.raises(SynthgenError, match=rf"{right.url} failed 4 times on one request .*go on with --resume"),
    ):
        ran(out, (left, right), in_flight=4)
    assert load_run(out).manifest["status"] == "failed"
    kept = {name: journaled(out, name) for name in NAMES}
    assert 0 <= count - kept["right"] <= 4  # those that were under way when it failed
    with serving("left-model") as left, serving("right-model") as right:
        ran(out, (left, right), resume="always")
        asked = {"left": len(left.seen), "right": len(right.seen)}
    assert dataset(out) == plain[0]
    assert asked == {name: plain[1][name] - kept[name] for name in NAMES}
    assert load_run(out).manifest["status"] == "complete"


@pytest.mark.parametrize("event", [1, 17, 45])
def test_an_interrupt_stops_both_and_loses_nothing_that_was_finished(
    tmp_path: Path, both: Servers, plain: Plain, event: int
) -> None:
    out, heard = tmp_path / "run", counted(1)

    def interrupt(each: Event) -> None:
        if written_now(each) and next(heard) == event:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(out, both, observe=interrupt, in_flight=4)
    assert load_run(out).manifest["status"] == "interrupted"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ask")]
    kept = {name: journaled(out, name) for name in NAMES}
    assert sum(kept.values()) >= event  # an answer is in the journal before it is told of
    # Others, since what was under way may still reach the first ones.
    with serving("left-model") as left, serving("right-model") as right:
        ran(out, (left, right), resume="always")
        again = [len(left.seen), len(right.seen)]
    assert dataset(out) == plain[0]
    assert again == [plain[1][name] - kept[name] for name in NAMES]


def interrupted(servers: Servers, answers: int, over: threading.Event) -> None:
    """Send this process SIGINT as soon as each server has given so many answers, unless it is over."""
    while not over.wait(0.002):
        if all(server.answered >= answers for server in servers):
            os.kill(os.getpid(), signal.SIGINT)
            return


def test_ctrl_c_while_two_write_side_by_side_keeps_what_was_finished(tmp_path: Path, plain: Plain) -> None:
    out, told, over = tmp_path / "run", Counter[str](), threading.Event()

    def observe(each: Event) -> None:
        if name := written_now(each):
            told[name] += 1

    # A shell starts background jobs deaf to SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with serving("left-model", latency=0.05) as left, serving("right-model", latency=0.05) as right:
            sender = threading.Thread(target=interrupted, args=((left, right), 4, over))
            sender.start()
            try:
                with pytest.raises(KeyboardInterrupt):
                    ran(out, (left, right), observe=observe, in_flight=2)
            finally:
                over.set()
                sender.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert load_run(out).manifest["status"] == "interrupted"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ask")]
    kept = {name: journaled(out, name) for name in NAMES}
    assert all(0 < told[name] <= kept[name] < plain[1][name] for name in NAMES)
    with serving("left-model") as left, serving("right-model") as right:
        ran(out, (left, right), resume="always")
        asked = {"left": len(left.seen), "right": len(right.seen)}
    assert dataset(out) == plain[0]
    assert asked == {name: plain[1][name] - kept[name] for name in NAMES}


def test_a_server_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with serving("left-model", faults=[Fault("hang")]) as left:

        def fail(request: Request) -> str:
            until = time.monotonic() + WAIT
            while not left.seen and time.monotonic() < until:
                time.sleep(0.01)
            raise RuntimeError("out of memory")

        with serving("right-model", script=fail) as right, pytest.raises(SynthgenError, match=f"{right.url} failed"):
            ran(tmp_path / "run", (left, right), timeout=WAIT * 10)
        assert left.seen
        assert left.answered == 0


def test_one_plm_behind_two_addresses(tmp_path: Path) -> None:
    with serving("model") as first, serving("model") as second:
        recipe = make_recipe(
            {
                "task": "imdb",
                "plms": (f"one=model@{first.url}", f"one=model@{second.url}"),
                "samples": 40,
                "rounds": 0,
                "gold": "none",
            }
        )
        run = execute(recipe, out=tmp_path / "run")
        assert run.metrics["samples_by_plm"] == {"one": 40}
        assert len(first.seen) > 0
        assert len(second.seen) > 0
