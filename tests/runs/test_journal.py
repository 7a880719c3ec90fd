from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import SynthgenError
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.scripted import ScriptedEngine
from synthgen.records import Completion, Request
from synthgen.runs.journal import Journal


class Counting(ScriptedEngine):
    """The scripted engine, counting what it is asked, dying after ``lives`` completions."""

    def __init__(self, lives: int = 10**9) -> None:
        super().__init__(batch_size=4)
        self.asked: list[str] = []
        self.lives = lives

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for completion in super().generate(requests):
            if not self.lives:
                raise RuntimeError("killed")
            self.lives -= 1
            self.asked.append(completion.request)
            yield completion


def requests(count: int = 10, prompt: str = "write") -> list[Request]:
    return [Request(f"r{n}", "p", 0, "a", prompt, n) for n in range(count)]


def replay(path: Path, asked: list[Request], engine: Engine, identity: str = "m") -> dict[str, str]:
    journal = Journal(path, identity=identity)
    return {
        request.id: completion.text
        for batch in journal.replay(asked, lambda: engine)
        for request, completion in batch.pairs
    }


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    fresh = replay(tmp_path / "j", requests(), first)
    assert replay(tmp_path / "j", requests(), second) == fresh
    assert len(first.asked) == 10
    assert second.asked == []


def test_the_engine_is_not_even_opened_when_all_is_known(tmp_path: Path) -> None:
    replay(tmp_path / "j", requests(), Counting())

    def never() -> Engine:
        raise AssertionError("opened")

    assert len(list(Journal(tmp_path / "j", identity="m").replay(requests(), never))) == 1


@settings(max_examples=40, deadline=None)
@given(lives=st.integers(0, 12), cut=st.integers(0, 200))
def test_after_any_death_only_whole_batches_count(
    tmp_path_factory: pytest.TempPathFactory, lives: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    whole = replay(path.with_name("whole"), requests(12), Counting())
    try:
        replay(path, requests(12), Counting(lives))
    except RuntimeError:
        if path.exists():
            data = path.read_bytes()
            path.write_bytes(data[: max(0, len(data) - cut)])
    again = Counting()
    assert replay(path, requests(12), again) == whole
    assert len(again.asked) % 4 == 0
    assert replay(path, requests(12), Counting(0)) == whole


def test_a_damaged_line_in_the_middle_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = replay(path, requests(12), Counting())
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b"\xff{not json", lines[2]]) + b"\n")
    again = Counting()
    assert replay(path, requests(12), again) == whole
    assert again.asked == ["r4", "r5", "r6", "r7"]


@pytest.mark.parametrize("changed", ["prompt", "model", "seed"])
def test_another_prompt_model_or_seed_is_another_request(tmp_path: Path, changed: str) -> None:
    replay(tmp_path / "j", requests(), Counting())
    again = Counting()
    asked = requests(prompt="else") if changed == "prompt" else requests()
    if changed == "seed":
        asked = [Request(r.id, r.plm, r.round, r.label, r.prompt, r.seed + 100) for r in asked]
    replay(tmp_path / "j", asked, again, identity="n" if changed == "model" else "m")
    assert len(again.asked) == 10


class OutOfOrder(Counting):
    """Answers one by one, the last request first, each a batch of its own."""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return [[request] for request in requests]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        yield from super().generate(list(reversed(requests)))


def test_a_batch_is_on_disk_before_the_next_is_taken(tmp_path: Path) -> None:
    path, engine = tmp_path / "j", OutOfOrder()
    for count, batch in enumerate(Journal(path, identity="m").replay(requests(), lambda: engine), start=1):
        assert batch.fresh
        assert len(engine.asked) == count
        assert len(path.read_bytes().splitlines()) == count


def test_what_came_out_of_order_is_kept(tmp_path: Path) -> None:
    engine = OutOfOrder(lives=4)
    with pytest.raises(RuntimeError):
        replay(tmp_path / "j", requests(), engine)
    again = OutOfOrder()
    assert replay(tmp_path / "j", requests(), again) == replay(tmp_path / "other", requests(), Counting())
    assert sorted(engine.asked + again.asked) == sorted(request.id for request in requests())


def test_an_engine_that_forgets_a_request_is_told(tmp_path: Path) -> None:
    class Forgetful(OutOfOrder):
        def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
            yield from super().generate(requests[1:])

    with pytest.raises(SynthgenError, match="1 requests came back without an answer"):
        replay(tmp_path / "j", requests(), Forgetful())
