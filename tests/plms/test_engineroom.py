"""When engines are opened, kept, put to sleep and closed: scripted engines stand in for vLLM and for servers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import SynthgenError
from synthgen.events import Event, Loading, ignore
from synthgen.plms.arrange import Arrangement
from synthgen.plms.catalog import PLM
from synthgen.plms.choose import Chosen
from synthgen.plms.engineroom import EngineRoom
from synthgen.plms.engines.scripted import ScriptedEngine
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.placement import Group
from synthgen.plms.serving import Serving

WAIT = 60
"""Seconds after which a test that waits for another thread gives up."""


class Recorded(ScriptedEngine):
    """Writes down what is done with it, and can sleep unless told not to."""

    def __init__(self, name: str, done: list[str], *, sleeps: bool = True, wakes: bool = True) -> None:
        super().__init__()
        self.name, self.done, self.sleeps, self.wakes = name, done, sleeps, wakes
        done.append(f"open {name}")

    def close(self) -> None:
        self.done.append(f"close {self.name}")

    def sleep(self) -> bool:
        self.done.append(f"sleep {self.name}")
        return self.sleeps

    def wake(self) -> bool:
        self.done.append(f"wake {self.name}")
        return self.wakes


Done = list[str]


@pytest.fixture
def done() -> Done:
    return []


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch, done: Done) -> Callable[..., None]:
    """Have every engine made by ``make(plm)``, or recorded."""

    def with_(make: Callable[[PLM], Any] = lambda plm: Recorded(plm.name, done), **how: bool) -> None:
        made = (lambda plm: Recorded(plm.name, done, **how)) if how else make
        monkeypatch.setattr("synthgen.plms.engines.vllm.engine.open_vllm", lambda plm, note, **process: made(plm))
        monkeypatch.setattr("synthgen.plms.engines.server.discover.open_server", lambda plm, note: made(plm))

    with_()
    return with_


def room(tmp_path: Path, *groups: dict[str, Slot], engine: str = "vllm", **more: Any) -> EngineRoom:
    names = [name for group in groups for name in group]
    plms = tuple(PLM(name, "model", "hub", serving=Serving(keep_warm=more.get("warm", False))) for name in names)
    chosen = {name: Chosen(engine) for name in names}
    arrangement = Arrangement(plms, chosen, tuple(map(Group, groups)), dict.fromkeys(names, 1.0))
    return EngineRoom(arrangement, logs=tmp_path, observe=more.get("observe", ignore))


def gpu(*index: int) -> Slot:
    return Slot(index, 0.4, len(index))


def rounds(of: EngineRoom, count: int, *, ask: bool = True) -> None:
    for _ in range(count):
        for names in of.turns():
            for name in names:
                if ask:
                    of.engine(name)


@pytest.mark.usefixtures("opens")
def test_plms_that_are_up_together_are_loaded_once_a_run(tmp_path: Path, done: Done) -> None:
    heard: list[Event] = []
    with room(tmp_path, {"a": gpu(0), "b": gpu(0)}, observe=heard.append) as of:
        rounds(of, 3)
        assert done == ["open a", "open b"]
        assert of.loads == {"a": 1, "b": 1}
    assert sorted(done[2:]) == ["close a", "close b"]
    assert [event.plm for event in heard if isinstance(event, Loading)] == ["a", "b"]


@pytest.mark.usefixtures("opens")
def test_plms_of_several_groups_are_loaded_once_a_round_one_group_up_at_a_time(tmp_path: Path, done: Done) -> None:
    with room(tmp_path, {"a": gpu(0), "b": gpu(0)}, {"c": gpu(0)}) as of:
        rounds(of, 2)
        assert of.loads == {"a": 2, "b": 2, "c": 2}
    assert done == ["open a", "open b", "close a", "close b", "open c", "close c"] * 2


@pytest.mark.usefixtures("opens")
def test_what_is_not_asked_for_is_not_opened(tmp_path: Path, done: Done) -> None:
    with room(tmp_path, {"a": gpu(0)}, {"c": gpu(0)}, warm=True) as of:
        rounds(of, 2, ask=False)
    assert done == []


@pytest.mark.usefixtures("opens")
def test_servers_are_no_loads(tmp_path: Path) -> None:
    with room(tmp_path, {"a": Slot()}, engine="server") as of:
        rounds(of, 2)
        assert of.loads == {}


@pytest.mark.usefixtures("opens")
def test_what_is_kept_warm_sleeps_between_its_turns(tmp_path: Path, done: Done) -> None:
    with room(tmp_path, {"a": gpu(0)}, {"c": gpu(0)}, warm=True) as of:
        rounds(of, 2)
        assert of.loads == {"a": 1, "c": 1}
        assert done == ["open a", "sleep a", "open c", "sleep c", "wake a", "sleep a", "wake c", "sleep c"]
        rounds(of, 1, ask=False)
        assert len(done) == 8  # who sleeps and is not asked sleeps on
    assert sorted(done[8:]) == ["close a", "close c"]


def test_who_cannot_sleep_is_closed_and_who_does_not_wake_is_opened_anew(
    tmp_path: Path, done: Done, opens: Callable[..., None]
) -> None:
    opens(sleeps=False)
    with room(tmp_path, {"a": gpu(0)}, {"c": gpu(0)}, warm=True) as of:
        rounds(of, 2)
    assert done == ["open a", "sleep a", "close a", "open c", "sleep c", "close c"] * 2
    done.clear()
    opens(wakes=False)
    with room(tmp_path, {"a": gpu(0)}, {"c": gpu(0)}, warm=True) as of:
        rounds(of, 2)
        assert of.loads == {"a": 2, "c": 2}
    assert done[4:8] == ["wake a", "close a", "open a", "sleep a"]


@pytest.mark.parametrize("error", [ValueError, SynthgenError, KeyboardInterrupt])
@pytest.mark.usefixtures("opens")
def test_whatever_goes_wrong_every_engine_is_closed(tmp_path: Path, done: Done, error: type[BaseException]) -> None:
    def stumble(event: Event) -> None:
        if isinstance(event, Loading) and event.plm == "c":
            raise error

    of = room(tmp_path, {"a": gpu(0), "b": gpu(1), "c": gpu(0)}, observe=stumble)
    with pytest.raises(error), of:
        rounds(of, 1)
    assert sorted(done[2:]) == ["close a", "close b"]
    of.close()
    assert len(done) == 4
    with pytest.raises(SynthgenError, match="a was not needed any more"):
        of.engine("a")


def test_an_engine_that_cannot_be_closed_leaves_no_other_open(
    tmp_path: Path, done: Done, opens: Callable[..., None]
) -> None:
    class Stuck(Recorded):
        def close(self) -> None:
            super().close()
            raise OSError(f"{self.name} is stuck")

    opens(lambda plm: Stuck(plm.name, done))
    of = room(tmp_path, {"a": gpu(0), "b": gpu(0), "c": gpu(0)})
    with pytest.raises(OSError, match="is stuck"), of:
        rounds(of, 1)
    assert sorted(done[3:]) == ["close a", "close b", "close c"]


def test_an_engine_that_does_not_open_is_told_of_and_the_others_close(
    tmp_path: Path, done: Done, opens: Callable[..., None]
) -> None:
    def make(plm: PLM) -> Recorded:
        if plm.name == "b":
            raise SynthgenError("b does not come up.")
        return Recorded(plm.name, done)

    opens(make)
    of = room(tmp_path, {"a": gpu(0), "b": gpu(0)})
    with pytest.raises(SynthgenError, match="b does not come up"), of:
        rounds(of, 1)
    assert done == ["open a", "close a"]
    assert of.loads == {"a": 1}


def asked_at_once(of: EngineRoom, names: str) -> None:
    with ThreadPoolExecutor(len(names)) as pool:
        for asked in [pool.submit(of.engine, name) for name in names]:
            asked.result(WAIT)


@pytest.mark.parametrize(
    ("engine", "slots"),
    [
        ("vllm", [gpu(0), gpu(1)]),
        ("vllm", [gpu(0, 1), gpu(2, 3)]),
        ("vllm", [Slot(), Slot()]),
        ("server", [Slot()] * 2),
    ],
)
def test_engines_that_share_no_gpu_are_opened_at_the_same_time(
    tmp_path: Path, done: Done, opens: Callable[..., None], engine: str, slots: list[Slot]
) -> None:
    both = threading.Barrier(2, timeout=WAIT)

    def make(plm: PLM) -> Recorded:
        both.wait()
        return Recorded(plm.name, done)

    opens(make)
    with room(tmp_path, dict(zip("ab", slots, strict=True)), engine=engine) as of:
        asked_at_once(of, "ab")
    assert sorted(done) == ["close a", "close b", "open a", "open b"]


def test_engines_on_one_gpu_are_opened_one_after_the_other(
    tmp_path: Path, done: Done, opens: Callable[..., None]
) -> None:
    slots = {"a": gpu(0), "b": gpu(0, 1), "c": gpu(1), "d": gpu(0, 1)}
    busy: set[int] = set()
    overlaps = []

    def make(plm: PLM) -> Recorded:
        mine = set(slots[plm.name].gpus)
        overlaps.append(busy & mine)
        busy.update(mine)
        threading.Event().wait(0.02)
        busy.difference_update(mine)
        return Recorded(plm.name, done)

    opens(make)
    with room(tmp_path, slots) as of:
        asked_at_once(of, "abcd")
    assert overlaps == [set()] * 4


def test_an_engine_that_is_ready_after_the_end_is_closed_again(
    tmp_path: Path, done: Done, opens: Callable[..., None]
) -> None:
    opening, ended = threading.Event(), threading.Event()

    def make(plm: PLM) -> Recorded:
        opening.set()
        assert ended.wait(WAIT)
        return Recorded(plm.name, done)

    opens(make)
    of = room(tmp_path, {"a": gpu(0)})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(of.engine, "a")
        assert opening.wait(WAIT)
        of.close()
        ended.set()
        with pytest.raises(SynthgenError, match="a was not needed any more when it was ready"):
            asked.result(WAIT)
    assert done == ["open a", "close a"]


def test_only_those_outside_this_process_write_side_by_side(tmp_path: Path) -> None:
    both = {"a": Slot(), "b": Slot()}
    assert room(tmp_path, both).parallel(["a", "b"]) == ["a", "b"]
    assert room(tmp_path, both, engine="server").parallel(["a", "b"]) == ["a", "b"]
    assert room(tmp_path, both).parallel(["a"]) == []
    assert room(tmp_path, both, engine="transformers").parallel(["a", "b"]) == []
