"""What a server serves is found out before anything is asked of it, or one sentence says what to do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from server_parts import Asking, completion, refusal, requests, stub

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.discover import discover, open_server
from synthgen.plms.engines.server.endpoint import proxied
from synthgen.testing import ScriptedServer


def at(*urls: str, model: str = "", **changes: Any) -> PLM:
    return replace(PLM("mine", model, "endpoint", urls=urls), **changes)


@contextmanager
def servers(*settings: dict[str, Any]) -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ScriptedServer(**each)) for each in settings]


def test_the_only_model_is_found_with_its_context() -> None:
    with ScriptedServer(models=["org/model"], max_model_len=512) as server:
        found = discover(at(server.url))
        assert (found.model, found.context, found.urls) == ("org/model", 512, (server.url,))
        engine = open_server(found, lambda sentence: None)
        assert len(list(engine.generate(requests(5)))) == 5
        engine.close()


def test_the_servers_own_context_counts() -> None:
    with ScriptedServer(max_model_len=512) as small, ScriptedServer(max_model_len=256) as smaller:
        assert discover(at(small.url, smaller.url, context=4096)).context == 256
    with ScriptedServer() as silent:
        assert discover(at(silent.url, context=4096)).context == 4096


@pytest.mark.parametrize("said", ["512", None, 0, -1, 2.5])
def test_a_context_that_is_none_is_not_taken(said: Any) -> None:
    with stub(lambda path, body: (200, {"data": [{"id": "m", "max_model_len": said}]})) as (url, _):
        assert discover(at(url)).context is None


def test_of_several_models_one_must_be_named() -> None:
    names = [f"model-{n}" for n in range(12)]
    with ScriptedServer(models=names) as server:
        with pytest.raises(UserError) as caught:
            discover(at(server.url))
        assert "12 models" in str(caught.value)
        assert "model-0, model-1" in str(caught.value)
        assert f"--plms mine=model-0@{server.url}" in str(caught.value)
        assert discover(at(server.url, model="model-7")).model == "model-7"


def test_a_model_that_is_not_served_is_one_sentence() -> None:
    with ScriptedServer(models=["other"]) as server:
        with pytest.raises(UserError) as caught:
            discover(at(server.url, model="mine"))
        assert "does not serve mine; it serves other" in str(caught.value)


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_web_page_is_no_server(status: int) -> None:
    with stub(lambda path, body: (status, b"<!doctype html><html>hello</html>")) as (url, _):
        with pytest.raises(SynthgenError) as caught:
            discover(at(url))
        if status != 502:
            assert isinstance(caught.value, UserError)
            assert "usually ends in /v1" in str(caught.value)


def test_an_address_without_v1_is_put_right() -> None:
    with ScriptedServer() as server:
        found = discover(at(server.origin))
        assert found.urls == (server.url,)
        assert discover(at(f"{server.origin}/v1")).urls == (server.url,)


def test_a_server_that_is_down_is_one_sentence() -> None:
    with ScriptedServer() as server:
        url = server.url
    with pytest.raises(SynthgenError) as caught:
        discover(at(url))
    assert not isinstance(caught.value, UserError)
    assert str(caught.value).startswith(f"Nothing answers at {url}")
    assert str(caught.value).endswith("; see to the server and try again.")


def test_of_several_servers_those_that_answer_come_first() -> None:
    with servers({}, {}) as (there, gone):
        urls = gone.url, there.url
        gone.__exit__(None, None, None)
        found = discover(at(*urls))
    assert (found.model, found.urls) == ("mine", (there.url, gone.url))


def test_servers_of_different_models_do_not_share_a_plm() -> None:
    with (
        servers({"models": ["one"]}, {"models": ["two"]}) as (one, two),
        pytest.raises(UserError, match="serve different models: one, two"),
    ):
        discover(at(one.url, two.url))


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_lists_nothing_is_asked_for_the_model_by_its_name(status: int) -> None:
    def no_list(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (200, completion("a text")) if path == "/v1/completions" else (status, {"detail": "Not Found"})

    with stub(no_list) as (url, _):
        found = discover(at(url, model="named"))
        assert (found.model, found.urls) == ("named", (url,))
        assert set(Asking(*found.urls).texts(requests(3)).values()) == {"a text"}
        assert discover(at(url)).model == "mine"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_wanted_is_named(status: int) -> None:
    told = "MINE_API_KEY or SYNTHGEN_API_KEY"
    with stub(lambda path, body: (status, refusal("no key"))) as (url, _), pytest.raises(UserError, match=told):
        discover(at(url))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_cannot_answer_now_may_later(status: int) -> None:
    with stub(lambda path, body: (status, refusal("not now"))) as (url, _):
        with pytest.raises(SynthgenError, match=r"; see to the server and try again\.$") as caught:
            discover(at(url))
        assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    "listed", [b"[]", b"{}", b'{"data": null}', b'{"data": [{"name": "x"}]}', b'{"data": [7]}', b"[" * 200_000, b"\xff"]
)
def test_a_list_of_another_shape_is_no_list(listed: bytes) -> None:
    with stub(lambda path, body: (200, listed)) as (url, _), pytest.raises(UserError, match="OpenAI-compatible"):
        discover(at(url))


def test_a_list_without_models_leaves_the_name() -> None:
    with stub(lambda path, body: (200, {"data": []})) as (url, _):
        assert discover(at(url)).model == "mine"


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("http://127.0.0.1:8000/v1", False),
        ("http://127.8.8.8/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://LOCALHOST:8000/v1", False),
        ("http://box.localhost/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://10.0.0.7:8000/v1", True),
        ("https://api.openai.com/v1", True),
        ("http://localhost.example.org/v1", True),
    ],
)
def test_proxies_are_never_for_this_machine(url: str, through: bool) -> None:
    assert proxied(url) == through


def test_a_proxy_of_the_environment_is_used_for_other_machines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def through(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"data": [{"id": "far"}]} if path.endswith("/models") else completion("from afar")

    with stub(through) as (proxy, seen), ScriptedServer() as here:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for variable in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(variable, proxy.removesuffix("/v1"))
        assert discover(at(here.url)).model == "mine"
        Asking(here.url).texts(requests(3))
        assert seen == []
        far = "http://models.example.org/v1"
        assert discover(at(far)).model == "far"
        assert set(Asking(far).texts(requests(3)).values()) == {"from afar"}
        assert {path for path, _ in seen} == {f"{far}/models", f"{far}/completions"}
