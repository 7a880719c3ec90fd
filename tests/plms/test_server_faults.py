"""Whatever goes wrong: every request is answered once, with the text it always gets, or one sentence ends it."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import Any

import pytest
from server_parts import SHORT, Asking, completion, refusal, requests, stub

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.engines.server import client, engine
from synthgen.plms.engines.server.patience import Patience, Trial
from synthgen.testing import Fault, ScriptedServer

ASKED = requests(60)
SPOILT = ["429", "500", "503", "cut", "drop", "garbage", "html", "half-utf8", "empty-choices", "null-text"]
HARMLESS = ["slow", "wrong-model", "missing-usage"]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, str]:
    with ScriptedServer() as server:
        return Asking(server.url).texts(ASKED)


@pytest.mark.parametrize("settings", [{"first": 1}, {"first": 20}, {"every": 3}], ids=["once", "burst", "repeatedly"])
@pytest.mark.parametrize("kind", SPOILT + HARMLESS)
@pytest.mark.parametrize("chat", [False, True], ids=["completions", "chat"])
def test_a_fault_changes_no_text(kind: str, settings: dict[str, int], chat: bool, undisturbed: dict[str, str]) -> None:
    fault = Fault(kind, seconds=0.01, **settings)  # type: ignore[arg-type]
    with ScriptedServer(faults=[fault]) as server:
        # However often a request is struck in a row.
        patience = Patience(tries=40, load=60, first=0.01, longest=0.02)
        assert Asking(server.url, chat=chat, in_flight=8, patience=patience).texts(ASKED) == undisturbed
        spoilt = len(server.seen) - len(ASKED)
        assert (spoilt > 0) == (kind in SPOILT)


@pytest.mark.parametrize("settings", [{"first": 1}, {"every": 20}])
def test_a_request_that_hangs_is_asked_again(settings: dict[str, int], undisturbed: dict[str, str]) -> None:
    with ScriptedServer(faults=[Fault("hang", **settings)]) as server:
        assert Asking(server.url, in_flight=8, timeout=0.3).texts(ASKED) == undisturbed


def test_an_answer_that_comes_after_the_time_is_asked_for_again(undisturbed: dict[str, str]) -> None:
    with ScriptedServer(faults=[Fault("slow", first=2, seconds=30)]) as server:
        assert Asking(server.url, in_flight=8, timeout=0.3).texts(ASKED) == undisturbed


@pytest.mark.parametrize("kind", [*SPOILT, "hang"])
def test_a_fault_that_never_ends_is_one_sentence(kind: str) -> None:
    with ScriptedServer() as server:
        asking = Asking(server.url, in_flight=4, timeout=0.2)
        before = asking.texts(ASKED[:8])
        answered = len(server.seen)
        server.add_fault(Fault(kind))  # type: ignore[arg-type]
        came, error = asking.until_error(ASKED)
        assert type(error) is SynthgenError
        assert server.url in str(error)
        assert "\n" not in str(error)
        assert str(error).endswith("go on with --resume.")
        assert came == {}
        assert len(server.seen) - answered <= 4 * (SHORT.load / 0.01 if kind in {"429", "503"} else SHORT.tries + 1)
        server.clear_faults()
        assert asking.texts(ASKED[:8]) == before


def test_what_was_answered_before_the_error_has_come(undisturbed: dict[str, str]) -> None:
    with ScriptedServer() as server:
        asking = Asking(server.url, in_flight=1)
        stream = asking.engine.generate(ASKED)
        came = {found.request: found.text for found in islice(stream, 20)}
        server.add_fault(Fault("500"))
        with pytest.raises(SynthgenError, match="500"):  # noqa: PT012
            for found in stream:
                came[found.request] = found.text
        assert len(came) == server.answered
        assert came.items() <= undisturbed.items()


def test_what_is_open_when_one_fails_for_good_still_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LINGER", 60.0)

    def one_is_refused(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if body["prompt"] == "bad":
            return 400, refusal("This is not for me.")
        time.sleep(0.3)
        return 200, completion("a text")

    with stub(one_is_refused) as (url, _):
        came, error = Asking(url, in_flight=8).until_error(requests(8, prompts=["good"] * 7 + ["bad"]))
        assert isinstance(error, UserError)
        assert len(came) == 7


@pytest.mark.parametrize(
    "wait",
    [
        0,
        0.2,
        "0.2",
        "soon",
        "nan",
        "-3",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 -0000",
    ],
)
@pytest.mark.parametrize("kind", ["429", "503"])
def test_any_retry_after_is_understood(kind: str, wait: float | str, undisturbed: dict[str, str]) -> None:
    with ScriptedServer(faults=[Fault(kind, first=3, retry_after=wait)]) as server:  # type: ignore[arg-type]
        assert Asking(server.url).texts(ASKED) == undisturbed


def test_retry_after_is_the_pause_that_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    class Noting(Trial):
        def refused(self, url: str, said: str, wait: float | None) -> None:
            super().refused(url, said, wait)
            pauses.append(self.pause)

    monkeypatch.setattr(client, "Trial", Noting)
    with ScriptedServer(faults=[Fault("429", first=1, retry_after=0.5)]) as server:
        Asking(server.url).texts(ASKED[:1])
    assert pauses == [0.5]


def test_a_date_in_retry_after_is_waited_for() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    with ScriptedServer(faults=[Fault("503", first=1, retry_after=then)]) as server:
        Asking(server.url, patience=Patience(load=10)).texts(ASKED[:1])
        assert datetime.now(UTC) >= datetime.strptime(then, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


@pytest.mark.parametrize("wait", [3600, "inf"])
def test_a_wait_beyond_patience_is_not_begun(wait: float | str) -> None:
    with ScriptedServer(faults=[Fault("429", retry_after=wait)]) as server:
        _, error = Asking(server.url, in_flight=1).until_error(ASKED)
        assert "too busy" in str(error)
        assert len(server.seen) == 1


def test_a_server_that_says_at_once_for_ever_is_not_hammered() -> None:
    with ScriptedServer(faults=[Fault("429", retry_after=0)]) as server:
        _, error = Asking(server.url, in_flight=1).until_error(ASKED[:1])
        assert "too busy for 2 s" in str(error)
        assert len(server.seen) <= SHORT.load / SHORT.first + 1


def test_no_server_at_all_is_one_sentence() -> None:
    with ScriptedServer() as server:
        url = server.url
    _, error = Asking(url).until_error(ASKED)
    assert type(error) is SynthgenError
    assert str(error).startswith(f"Nothing answers at {url}")


def test_several_kinds_of_faults_at_once(undisturbed: dict[str, str]) -> None:
    faults = [Fault(kind, every=n + 5) for n, kind in enumerate(SPOILT)]  # type: ignore[arg-type]
    with ScriptedServer(faults=faults, latency=0.001) as server:
        patience = Patience(tries=40, load=60, first=0.01, longest=0.02)
        assert Asking(server.url, in_flight=16, patience=patience).texts(ASKED) == undisturbed
