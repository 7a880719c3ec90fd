"""What the scripted server promises to clients that behave."""

import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asking_server import ASK, CHAT, COMPLETIONS, Client, client, serving, wait_until
from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.engines.scripted import default_script
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed
from synthgen.testing import Fault, ScriptedServer
from synthgen.testing.model import PrefixCache

texts = st.text(st.characters(codec="utf-8"), max_size=60)
seeds = st.integers(0, 2**63 - 200)


def echo(request: Request) -> str:
    """Write the prompt's own words in an order that belongs to the seed."""
    words = request.prompt.split(" ")
    random.Random(request.seed).shuffle(words)
    return " ".join(words)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(models=("mine", "other"), script=echo) as opened:
        yield opened


@pytest.fixture(scope="module")
def asking(server: ScriptedServer) -> Iterator[Client]:
    with client(server) as opened:
        yield opened


def test_health(asking: Client) -> None:
    assert asking.get("/health").status == 200


def test_models_without_a_limit(asking: Client) -> None:
    listing = asking.get("/v1/models").json
    assert listing["object"] == "list"
    assert [model["id"] for model in listing["data"]] == ["mine", "other"]
    assert all("max_model_len" not in model for model in listing["data"])


def test_models_with_a_limit_and_one_name() -> None:
    with serving(models="mine", max_model_len=77) as (_, asking):
        assert [(m["id"], m["max_model_len"]) for m in asking.get("/v1/models").json["data"]] == [("mine", 77)]


def test_a_completion_has_the_openai_shape(asking: Client) -> None:
    answer = asking.ask(prompt="one two three", n=2)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert body["id"].startswith("cmpl-")
    assert (body["object"], body["model"]) == ("text_completion", "mine")
    assert [(choice["index"], choice["finish_reason"]) for choice in body["choices"]] == [(0, "stop"), (1, "stop")]
    usage = {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}
    assert body["usage"] == {**usage, "prompt_tokens_details": {"cached_tokens": 0}}


def test_a_chat_has_the_openai_shape_and_the_text_of_its_prompt(asking: Client) -> None:
    answer = asking.post("/v1/chat/completions", CHAT)
    assert answer.json["object"] == "chat.completion"
    assert answer.json["choices"][0]["message"]["role"] == "assistant"
    assert answer.text == asking.ask().text


def test_messages_are_joined_by_newlines_and_have_no_limit_of_their_own() -> None:
    long = " ".join(map(str, range(200)))
    with serving(script=lambda request: request.prompt) as (_, asking):
        messages = [{"role": "system", "content": "Write."}, {"role": "user", "content": long}]
        assert asking.post("/v1/chat/completions", {"model": "mine", "messages": messages}).text == f"Write.\n{long}"


@given(prompt=texts, seed=seeds)
def test_the_same_prompt_and_seed_get_the_same_text(asking: Client, prompt: str, seed: int) -> None:
    one, two = (asking.ask(prompt=prompt, seed=seed, max_tokens=1000) for _ in range(2))
    assert one.status == 200
    assert one.text == two.text == echo(Request("", "mine", 0, "", prompt, seed))


@given(prompt=texts, seed=seeds, n=st.integers(1, 128))
def test_n_choices_are_n_requests_with_the_next_seeds(asking: Client, prompt: str, seed: int, n: int) -> None:
    together = asking.ask(prompt=prompt, seed=seed, n=n).json["choices"]
    assert [choice["index"] for choice in together] == list(range(n))
    for index in {0, n // 2, n - 1}:
        assert asking.ask(prompt=prompt, seed=seed + index).text == together[index]["text"]


@given(
    prompt=st.text("ab ", max_size=40),
    stops=st.lists(st.text("ab ", max_size=3), max_size=4) | st.text("ab ", max_size=3),
    limit=st.integers(1, 12),
)
def test_text_ends_at_the_first_stop_string_or_at_the_limit(
    asking: Client, prompt: str, stops: list[str] | str, limit: int
) -> None:
    answer = asking.ask(prompt=prompt, stop=stops, max_tokens=limit)
    whole, text = echo(Request("", "mine", 0, "", prompt, 7)), answer.text
    given_stops = [stop for stop in ([stops] if isinstance(stops, str) else stops) if stop]
    assert whole.startswith(text)
    assert not any(stop in text for stop in given_stops)
    assert len(text.split()) <= limit
    assert answer.json["usage"]["completion_tokens"] == len(text.split())
    if answer.json["choices"][0]["finish_reason"] == "length":
        assert len(text.split()) == limit
    else:
        assert text == whole or any(whole.startswith(text + stop) for stop in given_stops)


def test_the_script_gets_the_whole_request() -> None:
    asked: list[Request] = []

    def script(request: Request) -> str:
        asked.append(request)
        return "Fine."

    label = lambda prompt: "good" if "good" in prompt else "bad"  # noqa: E731
    with serving(script=script, label=label, seed=5) as (_, asking):
        asking.ask(prompt="a good film", temperature=0.5, top_p=0.8, max_tokens=9, stop=["#", "!"], n=2)
        asking.post(COMPLETIONS, {"model": "mine", "prompt": "x"})
    first, second, bare = asked
    assert (first.plm, first.label, first.prompt, first.seed) == ("mine", "good", "a good film", 7)
    assert first.sampling == Sampling(temperature=0.5, top_p=0.8, max_tokens=9, stop="#")
    assert (second.seed, second.label) == (8, "good")
    assert first.id != second.id
    assert (bare.seed, bare.label, bare.sampling) == (5, "bad", Sampling(1.0, 1.0, 16, ""))


def test_the_default_script_and_a_constant_label() -> None:
    with serving(label="joy") as (_, asking):
        assert asking.ask().text == default_script(Request("", "mine", 0, "joy", ASK["prompt"], 7))  # type: ignore[arg-type]


def test_text_beyond_ascii_comes_through() -> None:
    with serving(script=lambda request: f"{request.prompt} – café 映画 🎬") as (_, asking):
        assert asking.ask(prompt="Über").text == "Über – café 映画 🎬"


def test_a_script_that_raises_gives_500_and_the_server_lives() -> None:
    def script(request: Request) -> str:
        if request.prompt == "bad":
            raise KeyError("nothing like it")
        return "Fine."

    with serving(script=script) as (_, asking):
        failed = asking.ask(prompt="bad")
        assert failed.status == 500
        assert "KeyError" in failed.json["error"]["message"]
        assert asking.ask().text == "Fine."


@pytest.mark.parametrize("path", [COMPLETIONS, "/v1/chat/completions", "/tokenize"])
def test_an_unknown_model_is_404(asking: Client, path: str) -> None:
    refused = asking.post(path, {**ASK, **CHAT, "model": "gone"})
    assert refused.status == 404
    error = refused.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "`gone`" in error["message"]
    assert (error["type"], error["param"], error["code"]) == ("NotFoundError", "model", 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/v1/embeddings", 404), ("GET", COMPLETIONS, 405), ("POST", "/health", 405)],
)
def test_unknown_routes_and_methods(asking: Client, method: str, path: str, status: int) -> None:
    asking.send(method, path, b"{}")
    refused = asking.receive()
    assert refused.status == refused.json["error"]["code"] == status


@pytest.mark.parametrize(
    "changes",
    [
        {"model": None},
        {"prompt": None},
        {"prompt": ["a", "b"]},
        {"prompt": "half a character: \ud83c"},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"n": 0},
        {"n": 129},
        {"n": True},
        {"seed": 1.5},
        {"temperature": -1},
        {"temperature": "hot"},
        {"top_p": 2},
        {"stop": 3},
        {"stop": ["a", 3]},
        {"stream": True},
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_400_and_named(asking: Client, changes: dict[str, Any]) -> None:
    refused = asking.ask(**changes)
    assert refused.status == 400
    assert refused.json["error"]["param"] == next(iter(changes))


@pytest.mark.parametrize("messages", [None, [], ["hello"], [{"content": "x"}], [{"role": "user", "content": None}]])
def test_messages_that_are_wrong_are_400(asking: Client, messages: object) -> None:
    refused = asking.post("/v1/chat/completions", {**CHAT, "messages": messages})
    assert (refused.status, refused.json["error"]["param"]) == (400, "messages")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 200_000])
def test_a_body_that_is_no_json_object_is_400(asking: Client, body: bytes) -> None:
    assert asking.post(COMPLETIONS, body).status == 400


def test_prompt_and_answer_must_fit_the_model() -> None:
    with serving(max_model_len=20) as (_, asking):
        words = " ".join("word" for _ in range(12))
        assert asking.ask(prompt=words, max_tokens=8).status == 200
        refused = asking.ask(prompt=words, max_tokens=9)
        assert refused.status == 400
        assert "maximum context length is 20 tokens" in refused.json["error"]["message"]
        assert "12 input tokens" in refused.json["error"]["message"]


def test_a_chat_without_a_limit_gets_what_is_left_of_the_context() -> None:
    def script(request: Request) -> str:
        return "x " * (request.sampling.max_tokens + 5)

    with serving(script=script, max_model_len=20) as (_, asking):
        messages = [{"role": "user", "content": "one two three"}]
        answer = asking.post("/v1/chat/completions", {"model": "mine", "messages": messages}).json
        assert answer["usage"]["completion_tokens"] == 17
        assert answer["choices"][0]["finish_reason"] == "length"
        messages = [{"role": "user", "content": "x " * 20}]
        assert asking.post("/v1/chat/completions", {"model": "mine", "messages": messages}).status == 400


def test_tokenize_counts_words(asking: Client) -> None:
    assert asking.post("/tokenize", {"prompt": "one  two\nthree"}).json == {"count": 3, "max_model_len": None}
    assert asking.post("/tokenize", {"messages": CHAT["messages"]}).json["count"] == 3
    assert asking.post("/tokenize", {}).status == 400


def test_sleep_and_wake_up() -> None:
    with serving() as (_, asking):
        assert asking.get("/is_sleeping").json == {"is_sleeping": False}
        assert asking.post("/sleep?level=1").status == 200
        assert asking.get("/is_sleeping").json == {"is_sleeping": True}
        assert asking.ask().status == 503
        assert asking.get("/v1/models").status == 200
        assert asking.post("/wake_up").status == 200
        assert asking.ask().status == 200
        assert asking.post("/sleep?level=x").status == 400


def test_shared_prefixes_are_reported_as_cached_until_the_model_sleeps() -> None:
    prompt = " ".join(f"w{number}" for number in range(40))

    def cached(asking: Client, prompt: str) -> int:
        return int(asking.ask(prompt=prompt).json["usage"]["prompt_tokens_details"]["cached_tokens"])

    with serving() as (_, asking):
        assert [cached(asking, prompt), cached(asking, prompt), cached(asking, f"{prompt} more")] == [0, 32, 32]
        assert cached(asking, " ".join(prompt.split()[:20])) == 16
        asking.post("/sleep")
        asking.post("/wake_up")
        assert cached(asking, prompt) == 0


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=70).map(lambda bits: [b for b in bits for _ in range(4)])))
def test_cached_words_are_the_longest_shared_prefix_in_whole_blocks(prompts: list[list[str]]) -> None:
    cache = PrefixCache()
    for number, words in enumerate(prompts):
        limits = [0]
        for earlier in prompts[:number]:
            shared = next((i for i, (a, b) in enumerate(zip(earlier, words, strict=False)) if a != b), None)
            shared = min(len(earlier), len(words)) if shared is None else shared
            limits.append(min(shared, len(earlier) - 1, len(words) - 1) // 16 * 16)
        assert cache.reuse("mine", words) == max(0, *limits)


def test_the_prefix_cache_is_bounded_and_belongs_to_the_model() -> None:
    cache, words = PrefixCache(size=2), ["w"] * 33
    cache.reuse("mine", words)
    assert (cache.reuse("other", words), cache.reuse("mine", words)) == (0, 0)
    assert cache.reuse("mine", words) == 32


def test_a_key_is_asked_for_and_a_wrong_one_repeated() -> None:
    with serving(api_key="sk-right") as (server, asking):
        missing = asking.ask()
        assert (missing.status, missing.json["error"]["type"]) == (401, "AuthenticationError")
        wrong = asking.post(COMPLETIONS, ASK, {"Authorization": "Bearer sk-wrong"})
        assert wrong.status == 401
        assert "sk-wrong" in wrong.json["error"]["message"]
        assert asking.get("/v1/models").status == 401
        assert asking.get("/health").status == 200
        assert server.seen == []
        assert asking.post(COMPLETIONS, ASK, {"authorization": "Bearer sk-right"}).status == 200
        assert server.last_headers["authorization"] == "Bearer sk-right"


def test_bodies_are_seen_in_order_refused_ones_too() -> None:
    with serving(faults=[Fault("500", every=3)]) as (server, asking):
        for seed in range(6):
            asking.ask(seed=seed)
        asking.ask(model="gone")
        asking.post("/v1/chat/completions", CHAT)
        assert [body["seed"] for body in server.seen] == [0, 1, 2, 3, 4, 5, 7, 7]
        assert server.seen[-1] == CHAT
        assert server.answered == 5
        server.seen.clear()
        assert len(server.seen) == 8


def test_nothing_is_kept_without_record() -> None:
    with serving(record=False) as (server, asking):
        asking.ask()
        assert (server.seen, server.answered) == ([], 1)


def test_connections_are_kept_and_counted() -> None:
    with serving() as (server, asking):
        for _ in range(5):
            asking.ask()
            asking.get("/health")
        assert server.connections == 1
        with client(server) as another:
            another.ask()
        assert server.connections == 2
        assert asking.get("/counts").json == {"answered": 6, "peak_in_flight": 1, "connections": 2}


def test_many_clients_at_once() -> None:
    def ask_some(server: ScriptedServer, start: int) -> list[str]:
        with client(server) as asking:
            return [asking.ask(seed=start + number).text for number in range(25)]

    with ScriptedServer(latency=0.002) as server, ThreadPoolExecutor(8) as pool:
        apart = list(pool.map(lambda start: ask_some(server, start), range(0, 200, 25)))
        assert (server.answered, len(server.seen), server.connections) == (200, 200, 8)
        assert 1 <= server.peak_in_flight <= 8
    assert [text for texts in apart for text in texts] == [
        default_script(Request("", "mine", 0, "", str(ASK["prompt"]), seed)) for seed in range(200)
    ]


def test_beyond_max_in_flight_is_429_until_someone_leaves() -> None:
    with serving(max_in_flight=2, faults=[Fault("hang", first=2)]) as (server, asking):
        with client(server) as one, client(server) as two:
            one.send("POST", COMPLETIONS, ASK)
            two.send("POST", COMPLETIONS, ASK)
            wait_until(lambda: len(server.seen) == 2)
            assert asking.ask().status == 429
            assert asking.get("/health").status == 200
        wait_until(lambda: asking.ask().status == 200)
        assert server.peak_in_flight == 3


def test_a_taken_port_is_an_oserror() -> None:
    with ScriptedServer() as server:
        port = int(server.origin.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), ScriptedServer(port=port):
            pass
    with ScriptedServer(port=port) as again, client(again) as asking:
        assert asking.ask().status == 200


def test_stopping_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    faults = [Fault("hang", first=2), Fault("slow", seconds=3600)]
    with ScriptedServer(faults=faults) as server:
        clients = [Client(server) for _ in range(4)]
        for each in clients:
            each.send("POST", COMPLETIONS, ASK)
        idle = socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].removesuffix("/v1"))))
        wait_until(lambda: len(server.seen) == 4 and server.connections == 5)
    assert set(threading.enumerate()) == before
    for each in clients:
        with pytest.raises(ConnectionError):
            each.receive()
        each.close()
    idle.close()
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    assert server.answered == 0


def run_server(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-m", "synthgen.testing.server", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_form(number: signal.Signals) -> None:
    script = "synthgen.plms.engines.scripted:default_script"
    options = ["--model", "mine", "--model", "other", "--max-model-len", "60", "--seed", "3", "--label", "joy"]
    with run_server(*options, "--script", script, "--fault", "429,first=1,retry_after=7") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/v1")
        asking = Client(url)
        refused = asking.ask()
        assert (refused.status, refused.headers["retry-after"]) == (429, "7")
        expected = default_script(Request("", "other", 0, "joy", "x", 3)).split()[:16]
        assert asking.post(COMPLETIONS, {"model": "other", "prompt": "x"}).text.split() == expected
        asking.close()
        os.kill(process.pid, number)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize("options", [["--fault", "flood"], ["--fault", "500,every=0"], ["--script", "json:nothing"]])
def test_the_process_form_says_what_is_wrong(options: list[str]) -> None:
    with run_server(*options) as process:
        out, complaint = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert f"argument {options[0]}" in complaint


@given(parts=st.lists(st.integers(1, 60), max_size=12), count=st.integers(1, 4))
def test_requests_may_come_in_any_pieces(server: ScriptedServer, parts: list[int], count: int) -> None:
    body = json.dumps(ASK).encode()
    sent = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) * count
    pieces, start = [], 0
    for size in parts:
        pieces.append(sent[start : start + size])
        start += size
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [*pieces, sent[start:]]:
            wire.sendall(piece)
        received = b""
        while received.count(b'"total_tokens"') < count:
            received += wire.recv(65_536)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == count


def raw(server: ScriptedServer, sent: bytes) -> bytes:
    """Send bytes and return what comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as wire:
        wire.sendall(sent)
        return b"".join(iter(lambda: wire.recv(65_536), b""))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"hello\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /health HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_other_ways_to_speak_http_are_answered_and_closed(server: ScriptedServer, sent: bytes, status: int) -> None:
    assert raw(server, sent).startswith(b"HTTP/1.1 %d " % status)


def test_a_client_that_waits_for_100_gets_it(server: ScriptedServer) -> None:
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as wire:
        wire.sendall(b"POST /tokenize HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n")
        assert wire.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(b'{"prompt": "ab"}')
        assert wire.recv(1000).endswith(b'{"count":1,"max_model_len":null}')


def test_a_long_prompt(asking: Client) -> None:
    words = ["word"] * 300_000
    assert asking.ask(prompt=" ".join(words), seed=derive_seed("x")).json["usage"]["prompt_tokens"] == len(words)
