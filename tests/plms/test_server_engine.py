"""How the server engine asks: how much at once, of whom, in which words, and what it leaves behind."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from server_parts import Asking, completion, refusal, requests, stub
from waiting import wait_until

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.engines.server.engine import REVIVALS
from synthgen.plms.engines.server.patience import Patience
from synthgen.prompt import Prompt
from synthgen.testing import Fault, ScriptedServer

ASKED = requests(60)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, str]:
    with ScriptedServer() as server:
        return Asking(server.url).texts(ASKED)


def test_every_request_is_sent_once_with_its_own_seed() -> None:
    with ScriptedServer() as server:
        texts = Asking(server.url).texts(ASKED)
        sent = [(body["prompt"], body["seed"]) for body in server.seen]
        assert Counter(sent) == Counter((request.prompt, request.seed % 2**31) for request in ASKED)
        assert all(0 <= seed < 2**31 for _, seed in sent)
        assert len(set(texts.values())) == len(texts)


@pytest.mark.parametrize("in_flight", [1, 4])
def test_nothing_is_sent_before_what_came_is_taken(in_flight: int) -> None:
    with ScriptedServer() as server:
        stopped = threading.Event()
        for taken, _ in enumerate(Asking(server.url, in_flight=in_flight).engine.generate(ASKED)):
            # Before this one was taken `taken` were; give a sender that does not wait the time to show itself.
            assert len(server.seen) <= taken + in_flight
            stopped.wait(0.005)
            assert len(server.seen) <= taken + in_flight


def test_open_requests_and_connections_are_bounded(undisturbed: dict[str, str]) -> None:
    with ScriptedServer(latency=0.01) as server:
        assert Asking(server.url, in_flight=7).texts(ASKED) == undisturbed
        assert 1 < server.peak_in_flight <= 7
        assert server.connections <= 7


def test_a_server_that_takes_few_is_asked_for_few() -> None:
    asked = requests(600)
    with ScriptedServer(max_in_flight=8, latency=0.01) as server:
        Asking(server.url, in_flight=64, patience=Patience(load=60, first=0.01, longest=0.1)).texts(asked)
        assert server.peak_in_flight <= 64
        assert len(server.seen) - len(asked) < len(asked) / 2


def test_closing_half_way_leaves_nothing_behind(undisturbed: dict[str, str]) -> None:
    threads = threading.active_count()
    with ScriptedServer(latency=0.01) as server:
        asking = Asking(server.url, in_flight=8)
        stream = asking.engine.generate(ASKED)
        assert len(list(islice(stream, 10))) == 10
        stream.close()  # type: ignore[attr-defined]
        assert threading.active_count() == threads + 1
        gc.collect()  # a socket or task that was left open warns now, and a warning is an error
        assert asking.texts(ASKED) == undisturbed
    assert threading.active_count() == threads


def test_a_stream_that_is_dropped_is_closed() -> None:
    threads = threading.active_count()
    with ScriptedServer(latency=0.01) as server:
        stream = Asking(server.url).engine.generate(ASKED)
        next(stream)
        del stream
        gc.collect()
        assert threading.active_count() == threads + 1


def test_closing_the_engine_ends_what_hangs() -> None:
    with ScriptedServer() as server:
        asking = Asking(server.url, in_flight=4)
        server.add_fault(Fault("hang"))
        closing = threading.Timer(0.3, asking.engine.close)
        closing.start()
        came, error = asking.until_error(ASKED)
        closing.join()
        assert came == {}
        assert type(error) is SynthgenError
        assert "stopped" in str(error)


def test_a_closed_engine_asks_nothing() -> None:
    with ScriptedServer() as server:
        asking = Asking(server.url)
        asking.engine.close()
        _, error = asking.until_error(ASKED)
        assert "stopped" in str(error)
        assert server.seen == []


def test_an_interrupt_leaves_nothing_behind(undisturbed: dict[str, str]) -> None:
    threads = threading.active_count()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ScriptedServer(faults=[Fault("hang", times=4)]) as server:
            asking = Asking(server.url, in_flight=4)

            def when_all_hang() -> None:
                wait_until(lambda: len(server.seen) == 4)
                os.kill(os.getpid(), signal.SIGINT)

            interrupt = threading.Thread(target=when_all_hang)
            interrupt.start()
            with pytest.raises(KeyboardInterrupt):
                list(asking.engine.generate(ASKED))
            interrupt.join()
            assert threading.active_count() == threads + 1
            assert asking.texts(ASKED) == undisturbed
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_program_may_end_in_the_middle() -> None:
    program = """
from server_parts import Asking, requests
from synthgen.testing import ScriptedServer
server = ScriptedServer(latency=0.01).__enter__()
stream = Asking(server.url, in_flight=4).engine.generate(requests(30))
print(next(stream).request)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("r")
    assert done.stderr == ""


def test_a_slow_taker_costs_no_request_its_time() -> None:
    asked = requests(6)
    with ScriptedServer(latency=0.02, faults=[Fault("slow", every=2, seconds=0.1)]) as server:
        for taken, _ in enumerate(Asking(server.url, in_flight=3, timeout=2.0).engine.generate(asked)):
            time.sleep(2.5 if taken < 2 else 0)
        assert len(server.seen) == len(asked)


def test_a_server_that_answers_as_another_model_is_told() -> None:
    with ScriptedServer(faults=[Fault("wrong-model")]) as server:
        asking = Asking(server.url)
        asking.texts(ASKED)
        asking.texts(ASKED)
        assert asking.notes == [f"{server.url} answers for mine as mine-other, not as mine."]


@pytest.mark.parametrize("model", ["mine", "org/Mine", "mine:latest", "mine-2024-08-06", "mine-0125", None, ""])
def test_a_version_of_the_model_is_the_model(model: str | None) -> None:
    with stub(lambda path, body: (200, {**completion("a text"), "model": model})) as (url, _):
        asking = Asking(url)
        asking.texts(requests(2))
        assert asking.notes == []


def test_it_works_where_a_loop_is_running_already(undisturbed: dict[str, str]) -> None:
    async def notebook_cell(url: str) -> dict[str, str]:
        return Asking(url).texts(ASKED)

    with ScriptedServer() as server:
        assert asyncio.run(notebook_cell(server.url)) == undisturbed


def test_several_servers_share_the_load(undisturbed: dict[str, str]) -> None:
    asked = requests(1200)
    with ScriptedServer(latency=0.01) as one, ScriptedServer(latency=0.01) as two:
        Asking(one.url, two.url, in_flight=16).texts(asked)
        assert min(len(one.seen), len(two.seen)) > 400
        assert len(one.seen) + len(two.seen) == 1200


def test_a_server_that_dies_leaves_its_share_to_the_other() -> None:
    asked = requests(200)
    with ScriptedServer(latency=0.005) as alone:
        expected = Asking(alone.url).texts(asked)
    with ScriptedServer(latency=0.005) as left, ScriptedServer(latency=0.005) as dying:
        asking = Asking(left.url, dying.url, in_flight=16)
        stream = asking.engine.generate(asked)
        came = {found.request: found.text for found in islice(stream, 50)}
        assert dying.seen
        dying.__exit__(None, None, None)
        for found in stream:
            assert found.request not in came
            came[found.request] = found.text
        assert came == expected
        assert len(asking.notes) == 1
        assert dying.url in asking.notes[0]


def test_a_server_that_only_fails_does_not_draw_all_requests(undisturbed: dict[str, str]) -> None:
    with ScriptedServer(latency=0.01) as well, ScriptedServer(faults=[Fault("500")]) as ill:
        assert Asking(ill.url, well.url, in_flight=8).texts(ASKED) == undisturbed


def test_all_servers_down_is_one_sentence() -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        urls = one.url, two.url
    _, error = Asking(*urls, in_flight=8).until_error(ASKED)
    assert type(error) is SynthgenError
    assert str(error).startswith("Nothing answers at http")


@pytest.mark.parametrize("place", [0, 1])
def test_whichever_server_comes_back_is_found(place: int, undisturbed: dict[str, str]) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        urls = one.url, two.url
    port = int(urls[place].split(":")[2].split("/")[0])
    asking = Asking(*urls, patience=Patience(absence=30, first=0.05, longest=0.1))
    back = ScriptedServer(port=port)
    timer = threading.Timer(0.5, back.__enter__)
    timer.start()
    try:
        assert asking.texts(ASKED) == undisturbed
    finally:
        timer.join()
        back.__exit__(None, None, None)


DEMONSTRATIONS = [f"demonstration {n} of twelve words which goes on and on and on\n" for n in range(6)]
LONG = Prompt.composed("Write as these are:\n{shown} Now yours: ", {"shown": DEMONSTRATIONS})


def test_a_prompt_longer_than_the_context_loses_its_first_demonstrations() -> None:
    asked = requests(6, prompts=[LONG, "short: "], tokens=10)
    with ScriptedServer(max_model_len=50) as server:
        asking = Asking(server.url, in_flight=1)
        found = asking.completions(asked)
        assert [found[request.id].dropped for request in asked] == [4, 0, 4, 0, 4, 0]
        kept = "Write as these are:\n" + "".join(DEMONSTRATIONS[4:]) + " Now yours: "
        assert Counter(body["prompt"] for body in server.seen[-4:]) >= Counter({"short: ": 3})
        assert [body["prompt"] for body in server.seen].count(kept) == 3
        assert len(server.seen) == 6 + 4
        asking.completions(asked)
        assert len(server.seen) == 6 + 4 + 6


def test_a_prompt_is_shortened_for_many_at_once() -> None:
    asked = requests(200, prompts=[LONG, "short: "], tokens=10)
    with ScriptedServer(max_model_len=50, latency=0.005) as server:
        found = Asking(server.url, in_flight=64).completions(asked)
        assert {request.prompt: found[request.id].dropped for request in asked} == {LONG: 4, "short: ": 0}


def test_a_prompt_that_cannot_be_shortened_is_one_sentence() -> None:
    with ScriptedServer(max_model_len=50) as server:
        _, error = Asking(server.url).until_error(requests(3, prompts=["word " * 60]))
        assert isinstance(error, UserError)
        said = str(error)
        assert said.startswith(
            "A prompt and its answer (60 tokens at most) do not fit the context of mine "
            "even without demonstrations (400, "
        )
        assert said.endswith("); start its server with more context or lower the task's max_tokens.")


def test_of_a_servers_lecture_only_the_first_sentence_is_told() -> None:
    lecture = "The context length is 4.5k tokens. You asked for more. Please shorten your prompt."
    with stub(lambda path, body: (400, refusal(lecture))) as (url, _):
        _, error = Asking(url).until_error(requests(1))
        assert "(400, The context length is 4.5k tokens); start its server" in str(error)


def test_a_death_is_revived_and_only_the_rest_is_asked() -> None:
    asked = requests(100)
    with ScriptedServer() as alone:
        expected = Asking(alone.url).texts(asked)
    servers = [ScriptedServer(latency=0.005), ScriptedServer(latency=0.005)]
    living = servers[0].__enter__()
    alive = [True]

    def revive() -> str:
        alive[0] = True
        return servers[1].__enter__().url

    asking = Asking(living.url, in_flight=8, alive=lambda: alive[0], revive=revive)
    stream = asking.engine.generate(asked)
    came = {found.request: found.text for found in islice(stream, 30)}
    alive[0] = False
    living.__exit__(None, None, None)
    try:
        for found in stream:
            assert found.request not in came
            came[found.request] = found.text
    finally:
        servers[1].__exit__(None, None, None)
    assert came == expected
    assert len(servers[1].seen) <= 70
    assert asking.notes == ["The server of mine died; it is started again."]


def test_a_server_that_keeps_dying_is_given_up() -> None:
    with ScriptedServer() as server:
        url = server.url
    revived = []

    def revive() -> str:
        revived.append(url)
        return url

    _, error = Asking(url, alive=lambda: False, revive=revive).until_error(ASKED)
    assert "keeps dying" in str(error)
    assert len(revived) == REVIVALS
