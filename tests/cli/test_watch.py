"""What a person reads while a run goes on."""

from io import StringIO

import pytest
from rich.console import Console

from synthgen.cli import watch
from synthgen.cli.options import Settled
from synthgen.events import Event, Generated, Loading, RoundStarted
from synthgen.recipe import make_recipe


def said(monkeypatch: pytest.MonkeyPatch, *events: Event) -> list[str]:
    """Return every line a watcher without a terminal could print."""
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LINES", -1.0)
    recipe = make_recipe({"task": "imdb", "plms": ("a=http://h:1/v1", "a=http://h:2/v1", "opt"), "samples": 50})
    output = StringIO()
    with watch.Watcher(Console(file=output, width=200), Settled(recipe)) as watcher:
        for event in events:
            watcher(event)
    return output.getvalue().splitlines()


def test_plms_that_write_at_the_same_time_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(
        monkeypatch,
        RoundStarted(0, 4, 20),
        Generated("a", 10, 0, 0, 3, 50),
        Generated("opt", 10, 0, 0, 10, 50),
        Generated("a", 10, 0, 0, 4, 50),
        Generated("a", 10, 9, 1, 0, 0),
    )
    assert [line.split(" samples")[0] for line in lines] == [
        "Round 0, a: 3 of 10",
        "Round 0, a: 3 of 10, opt: 10 of 10",
        "Round 0, a: 4 of 10",
        "Round 0, a: 9 of 10",
    ]
    assert "1 rejected" in lines[-1]


def test_what_was_known_already_is_no_measure_of_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(
        monkeypatch, RoundStarted(0, 4, 20), Generated("a", 10, 0, 0, 10, 0), Generated("opt", 10, 0, 0, 9, 99)
    )
    assert "? left" in lines[0]
    assert "? left" not in lines[1]


def test_nothing_is_left_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [RoundStarted(number, 1, 20) for number in range(2)]
    wrote = [Generated(plm, 10, 0, 0, 10, 99) for plm in ("a", "opt")]
    assert said(monkeypatch, rounds[0], *wrote, rounds[1], *wrote)[-1].endswith("0:00 left.")


def test_loading_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, Loading("a", "vllm", 12.4)) == ["Loading a through vllm, 12 s so far."]
