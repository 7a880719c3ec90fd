"""The journal's lines are either what was written, or not there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.engines.scripted import ScriptedEngine
from synthgen.records import Request
from synthgen.runs.journal import Journal

REQUESTS = [Request(f"r{n}", "p", 0, "a", "write", n) for n in range(12)]


def replay(path: Path, engine: ScriptedEngine) -> dict[str, str]:
    answered = Journal(path, identity="m").replay(REQUESTS, lambda: engine)
    return {request.id: completion.text for batch in answered for request, completion in batch.pairs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    replay(path, ScriptedEngine(batch_size=4))
    return path


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    kind, place, length = draw(st.integers(0, 3)), draw(st.floats(0, 1)), draw(st.integers(1, 600))
    noise = draw(st.binary(min_size=1, max_size=20))

    def damage(data: bytes) -> bytes:
        at = int(place * (len(data) - 1))
        if kind == 0:
            return data[:at] + bytes([data[at] ^ 1 << length % 8]) + data[at + 1 :]
        if kind == 1:
            return data[:at] + data[at + length :]
        if kind == 2:
            return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
        return data[:at] + noise + data[at:]

    return damage


@given(several=st.lists(damages(), min_size=1, max_size=3))
def test_a_damaged_line_never_becomes_another_answer(
    several: list[Callable[[bytes], bytes]], whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    right = replay(whole, ScriptedEngine(batch_size=4))
    path, data = tmp_path_factory.mktemp("damaged") / "j.jsonl", whole.read_bytes()
    for damage in several:
        data = damage(data) if data else data
    path.write_bytes(data)
    assert replay(path, ScriptedEngine(batch_size=4)) == right
    # What was asked for again is there now, behind whatever was damaged.
    assert replay(path, ScriptedEngine(lambda request: "asked again", batch_size=4)) == right


def test_another_text_of_the_same_length_is_seen(whole: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "j.jsonl", whole.read_bytes()
    text = json.loads(data.splitlines()[1])[0]["text"]
    path.write_bytes(data.replace(text.encode(), text.swapcase().encode()))
    assert replay(path, ScriptedEngine(batch_size=4)) == replay(whole, ScriptedEngine(batch_size=4))


def test_lines_without_a_checksum_are_read(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    lines = [json.loads(line) for line in whole.read_text(encoding="utf-8").splitlines()]
    assert all(rows[0].pop("crc32") for rows in lines)
    path.write_text("".join(json.dumps(rows) + "\n" for rows in lines), encoding="utf-8")
    silent = ScriptedEngine(lambda request: "asked again", batch_size=4)
    assert replay(path, silent) == replay(whole, ScriptedEngine(batch_size=4))
