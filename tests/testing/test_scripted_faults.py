"""What goes wrong on demand, as a client meets it."""

import http.client
import json

import pytest
from asking_server import ASK, CHAT, COMPLETIONS, Client, client, serving, wait_until
from hypothesis import given
from hypothesis import strategies as st

from synthgen.testing import Fault
from synthgen.testing.faults import FaultPlan, parse_fault

PATHS = [(COMPLETIONS, ASK), ("/v1/chat/completions", CHAT)]
both_endpoints = pytest.mark.parametrize(("path", "body"), PATHS, ids=["completions", "chat"])
counts = st.none() | st.integers(1, 6)


@pytest.mark.parametrize("kind", ["429", "500", "503"])
@both_endpoints
def test_an_error_and_then_none(kind: str, path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault(kind, first=1)]) as (server, asking):  # type: ignore[arg-type]
        refused = asking.post(path, body)
        assert refused.status == refused.json["error"]["code"] == int(kind)
        assert "retry-after" not in refused.headers
        assert asking.post(path, body).status == 200
        assert (server.answered, server.connections) == (1, 1)


@pytest.mark.parametrize(("given_wait", "sent"), [(2, "2"), (0.5, "0.5"), ("Wed, 21 Oct 2026 07:28:00 GMT",) * 2])
def test_retry_after_is_sent_as_a_header(given_wait: float | str, sent: str) -> None:
    with serving(faults=[Fault("429", retry_after=given_wait)]) as (_, asking):
        assert asking.ask().headers["retry-after"] == sent


@both_endpoints
def test_cut_ends_in_the_middle_of_the_body(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("cut", first=1)]) as (server, asking):
        with pytest.raises(http.client.IncompleteRead) as caught:
            asking.post(path, body)
        assert caught.value.partial.startswith(b'{"id"')
        assert caught.value.expected is not None
        assert abs(len(caught.value.partial) - caught.value.expected) <= 1
        assert server.answered == 0


@both_endpoints
def test_drop_ends_without_a_word(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("drop", first=1)]) as (server, asking):
        with pytest.raises(http.client.RemoteDisconnected):
            asking.post(path, body)
        asking.close()
        assert asking.post(path, body).status == 200
        assert (server.answered, server.connections) == (1, 2)


@both_endpoints
def test_hang_is_silent_while_others_are_answered(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("hang", first=1)]) as (server, asking):
        asking.send("POST", path, body)
        wait_until(lambda: len(server.seen) == 1)
        with client(server) as another:
            assert another.post(path, body).status == 200
        assert server.answered == 1


@both_endpoints
def test_slow_answers_others_first_and_then_well(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("slow", first=1, seconds=0.2)]) as (server, asking):
        asking.send("POST", path, body)
        wait_until(lambda: len(server.seen) == 1)
        with client(server) as another:
            quick = another.post(path, body)
        assert quick.status == 200
        assert asking.receive().text == quick.text
        assert server.answered == 2


def test_a_client_that_leaves_a_slow_answer_is_not_answered() -> None:
    with serving(faults=[Fault("slow", first=1, seconds=3600)], max_in_flight=1) as (server, asking):
        with client(server) as leaving:
            leaving.send("POST", COMPLETIONS, ASK)
            wait_until(lambda: len(server.seen) == 1)
            assert asking.ask().status == 429
        wait_until(lambda: asking.ask().status == 200)
        assert server.answered == 1


@both_endpoints
def test_garbage_is_200_and_no_json(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("garbage")]) as (_, asking):
        answer = asking.post(path, body)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        with pytest.raises(ValueError):
            json.loads(answer.body)


@both_endpoints
def test_html_is_200_and_a_page(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("html")]) as (_, asking):
        answer = asking.post(path, body)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.body.startswith(b"<!doctype html>")


@both_endpoints
def test_half_utf8_is_a_whole_answer_that_ends_in_half_a_character(path: str, body: dict[str, object]) -> None:
    with serving(faults=[Fault("half-utf8", first=1)]) as (server, asking):
        answer = asking.post(path, body)
        assert int(answer.headers["content-length"]) == len(answer.body)
        with pytest.raises(UnicodeDecodeError, match="unexpected end"):
            answer.body.decode()
        assert asking.post(path, body).status == 200
        assert server.connections == 1


@both_endpoints
def test_answers_that_lack_something(path: str, body: dict[str, object]) -> None:
    kinds = ["wrong-model", "empty-choices", "null-text", "missing-usage"]
    faults = [Fault(kind, first=place, times=1) for place, kind in enumerate(kinds, 1)]  # type: ignore[arg-type]
    with serving(faults=faults) as (_, asking):
        wrong, empty, null, bare, good = (asking.post(path, body).json for _ in range(5))
    assert wrong["model"] != "mine"
    assert empty["choices"] == []
    choice = null["choices"][0]
    assert (choice["message"]["content"] if "message" in choice else choice["text"]) is None
    assert "usage" not in bare
    for spoiled, lacking in ((wrong, "model"), (empty, "choices"), (null, "choices"), (bare, "usage")):
        same = set(good) - {"id", "created", lacking}
        assert {name: spoiled[name] for name in same} == {name: good[name] for name in same}


def test_faults_strike_completions_only() -> None:
    with serving(faults=[Fault("drop", first=1)]) as (_, asking):
        assert asking.get("/health").status == 200
        assert asking.get("/v1/models").status == 200
        assert asking.post("/tokenize", {"prompt": "x"}).status == 200
        with pytest.raises(http.client.RemoteDisconnected):
            asking.ask()


def test_a_bad_request_is_refused_whatever_would_spoil_its_answer() -> None:
    with serving(faults=[Fault("cut")]) as (_, asking):
        assert asking.ask(model="gone").status == 404


def statuses(asking: Client, count: int) -> list[int]:
    return [asking.ask().status for _ in range(count)]


def test_faults_come_and_go_at_run_time_and_count_from_then() -> None:
    with serving() as (server, asking):
        assert statuses(asking, 3) == [200] * 3
        server.add_fault(Fault("503", every=2))
        server.add_fault(Fault("500", first=1))
        assert statuses(asking, 5) == [500, 503, 200, 503, 200]
        server.clear_faults()
        assert statuses(asking, 3) == [200] * 3


@given(every=counts, first=counts, times=counts)
def test_which_arrivals_are_struck(every: int | None, first: int | None, times: int | None) -> None:
    plan = FaultPlan()
    plan.add(Fault("500", every=every, first=first, times=times))
    meant = [
        number
        for number in range(1, 31)
        if (first is None and every is None) or (first and number <= first) or (every and number % every == 0)
    ][:times]
    assert [number for number in range(1, 31) if plan.draw()[1] is not None] == meant


def test_slow_adds_up_and_goes_with_the_first_other_fault() -> None:
    plan = FaultPlan()
    faults = [Fault("slow", seconds=1), Fault("500", every=2), Fault("slow", seconds=2), Fault("429", times=1)]
    for fault in faults:
        plan.add(fault)
    # The second arrival is taken by the 500, so it does not use up the 429's one time; the first one has.
    assert [plan.draw() for _ in range(3)] == [(3, faults[3]), (3, faults[1]), (3, None)]


@pytest.mark.parametrize("wrong", ["flood", "500,every=0", "500,first=x", "500,soon=1", "slow,seconds=-1", ""])
def test_a_fault_that_cannot_be_is_a_valueerror(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse_fault(wrong)


def test_a_fault_is_read_from_text() -> None:
    read = parse_fault("429,every=10,first=2,times=3,retry_after=0.5,seconds=2")
    assert read == Fault("429", every=10, first=2, times=3, retry_after="0.5", seconds=2.0)
