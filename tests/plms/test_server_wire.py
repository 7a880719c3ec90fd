"""What goes over the wire survives it, and whatever comes back is a completion, a refusal, or garbled: nothing else."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from server_parts import Asking, requests

from synthgen.plms.engines.server.wire import (
    GarbledError,
    Refusal,
    body_of,
    completions_of,
    refusal_of,
    too_long,
)
from synthgen.prompt import Prompt
from synthgen.records import Request, Sampling
from synthgen.testing import ScriptedServer

any_text = st.text(st.characters(), max_size=60)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


def whole(text: str) -> str:
    """Return text as it can be written: half a character is a question mark."""
    return text.encode("utf-8", "replace").decode()


def request(prompt: str = "x: ", seed: int = 1, *, number: int = 0, **sampling: Any) -> Request:
    return Request(f"r{number}", "mine", 0, "positive", prompt, seed, Sampling(**sampling))


@given(seed=st.integers(0, 2**63 - 1), count=st.integers(1, 128), chat=st.booleans())
def test_a_body_asks_for_its_requests(seed: int, count: int, chat: bool) -> None:
    batch = [request(seed=seed + n, number=n) for n in range(count)]
    body = body_of(batch, model="m", chat=chat, drop=0)
    assert 0 <= body["seed"] < 2**31
    assert body["seed"] == seed % 2**31
    assert body.get("n", 1) == count
    assert ("stop" in body, "prompt" in body, "messages" in body) == (not chat, not chat, chat)


def test_no_stop_string_is_not_sent() -> None:
    assert "stop" not in body_of([request(stop="")], model="m", chat=False, drop=0)


@given(parts=st.lists(any_text, max_size=5), drop=st.integers(0, 5), chat=st.booleans())
def test_dropped_demonstrations_are_the_first(parts: list[str], drop: int, chat: bool) -> None:
    drop = min(drop, len(parts))
    prompt = Prompt.composed("before {parts} after", {"parts": parts})
    body = body_of([request(prompt)], model="m", chat=chat, drop=drop)
    sent = body["messages"][0]["content"] if chat else body["prompt"]
    assert sent == "before " + "".join(parts[drop:]) + " after"


@pytest.fixture(scope="module")
def echo() -> Any:
    with ScriptedServer(script=lambda asked: asked.prompt) as server:
        yield server


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=any_text, chat=st.booleans())
@example(prompt="\ud800 half", chat=False)
@example(prompt="end \udfff", chat=True)
@example(prompt="\x00\x01\x7f\u2028\ufeff\U0001f600", chat=False)
def test_any_text_survives_the_way_there_and_back(echo: ScriptedServer, prompt: str, chat: bool) -> None:
    asked = requests(1, prompts=[prompt], tokens=1000, stop="")
    assert Asking(echo.url, chat=chat).texts(asked) == {"r0000": whole(prompt)}
    body = echo.seen[-1]
    assert (body["messages"][0]["content"] if chat else body["prompt"]) == whole(prompt)


def test_half_a_character_in_an_answer_can_be_written() -> None:
    answer = b'{"choices": [{"text": "caf\\ud83d", "index": 0}]}'
    found, _ = completions_of([request()], answer, chat=False, drop=0)
    assert found[0].text == "caf?"


@given(
    texts=st.lists(any_text, min_size=1, max_size=6), total=st.none() | st.integers(0, 500), cached=st.integers(0, 90)
)
def test_an_answer_becomes_completions(texts: list[str], total: int | None, cached: int) -> None:
    batch = [request(number=n, stop="") for n in range(len(texts))]
    choices = [{"index": n, "text": text, "finish_reason": "length"} for n, text in enumerate(texts)]
    usage = {"prompt_tokens": 50, "completion_tokens": total, "prompt_tokens_details": {"cached_tokens": cached}}
    answer = json.dumps({"model": "m", "choices": choices[::-1], "usage": usage}).encode()
    found, model = completions_of(batch, answer, chat=False, drop=2)
    assert model == "m"
    assert [each.text for each in found] == [whole(text) for text in texts]
    assert [each.request for each in found] == [each.id for each in batch]
    assert {(each.finish, each.prompt_tokens, each.dropped) for each in found} == {("length", 50, 2)}
    assert all(0 <= each.cached_tokens <= 50 for each in found)
    words, tokens = [len(whole(text).split()) for text in texts], [each.completion_tokens for each in found]
    if total is None:
        assert tokens == words
        return
    assert sum(tokens) == total
    if sum(words):
        exact = [total * count / sum(words) for count in words]
        assert all(abs(share - count) < len(texts) for share, count in zip(exact, tokens, strict=True))


@given(before=st.text(st.characters(exclude_characters='"')), after=any_text)
def test_a_text_ends_at_its_stop_string_whoever_cuts_it(before: str, after: str) -> None:
    answer = json.dumps({"choices": [{"text": f'{before}"{after}', "finish_reason": "length"}]}).encode()
    (found,), _ = completions_of([request()], answer, chat=False, drop=0)
    assert (found.text, found.finish) == (whole(before), "stop")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens_details": None}])
def test_tokens_that_are_not_counted_are_words(usage: Any) -> None:
    answer = json.dumps({"choices": [{"text": "three short words"}], "usage": usage}).encode()
    (found,), _ = completions_of([request("a prompt of five words")], answer, chat=False, drop=0)
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (5, 3, 0)


def test_negative_token_counts_are_none() -> None:
    usage = {"prompt_tokens": -4, "completion_tokens": -2, "prompt_tokens_details": {"cached_tokens": -1}}
    answer = json.dumps({"choices": [{"text": "three short words"}], "usage": usage}).encode()
    (found,), _ = completions_of([request("a prompt of five words")], answer, chat=False, drop=0)
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (5, 0, 0)


@settings(max_examples=300)
@given(answer=any_json.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60), chat=st.booleans())
@example(answer=b"[" * 200_000, chat=False)
@example(answer=b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": Infinity}}', chat=False)
@example(answer=b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": NaN}}', chat=False)
@example(answer=b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}", chat=False)
@example(answer=b'{"choices": [{"message": "a"}]}', chat=True)
@example(answer=b'{"choices": {}}', chat=True)
@example(answer=b'{"choices": [7]}', chat=True)
def test_any_other_answer_is_garbled(answer: bytes, chat: bool) -> None:
    with pytest.raises(GarbledError) as caught:
        completions_of([request()], answer, chat=chat, drop=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "nothing"),
        (b"\n<!doctype html>", "a web page"),
        (b"\xef\xbb\xbf<html>", "no JSON"),
        (b"upstream error", "no JSON"),
        (b'{"choices": [{"te', "no JSON"),
        (b'{"choices": [{"text": "caf\xc3', "bytes that are no text"),
        (b"[" * 200_000, "JSON nested too deep"),
        (b"7", "JSON without choices"),
        (b"{}", "JSON without choices"),
        (b'{"choices": []}', "JSON without choices"),
        (b'{"choices": ["a"]}', "a choice without text"),
        (b'{"choices": [{"text": null}]}', "a choice without text"),
        (b'{"choices": [{"text": "a", "index": 1}, {"text": "b", "index": "2"}]}', "choices that are not numbered"),
        (b'{"choices": [{"text": "a"}], "usage": 5}', "token counts that are no numbers"),
        (b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": Infinity}}', "token counts that are no numbers"),
    ],
)
def test_what_is_garbled_is_told_in_words(answer: bytes, told: str) -> None:
    with pytest.raises(GarbledError) as caught:
        completions_of([request()], answer, chat=False, drop=0)
    assert str(caught.value) == told


def test_a_chat_answer_without_a_message_has_no_text() -> None:
    with pytest.raises(GarbledError, match="a choice without text"):
        completions_of([request()], b'{"choices": [{"message": "a"}]}', chat=True, drop=0)


counts = st.none() | st.integers() | any_json
usages = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": counts,
        "completion_tokens": counts,
        "prompt_tokens_details": st.none() | st.fixed_dictionaries({"cached_tokens": counts}) | any_json,
    },
)
shapes = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"text": any_text}), min_size=1, max_size=3), "usage": usages}
) | st.dictionaries(
    st.sampled_from(["choices", "usage", "model"]),
    st.lists(
        st.dictionaries(st.sampled_from(["text", "index", "finish_reason", "message", "content"]), any_json), max_size=3
    )
    | st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens"]), any_json
    )
    | any_json,
)


@settings(max_examples=300)
@given(answer=shapes, chat=st.booleans())
def test_an_answer_of_nearly_the_right_shape_is_read_or_garbled(answer: Any, chat: bool) -> None:
    batch = [request(number=n) for n in range(2)]
    try:
        found, _ = completions_of(batch, json.dumps(answer).encode(), chat=chat, drop=0)
    except GarbledError:
        return
    assert 1 <= len(found) <= 2
    for each in found:
        json.dumps([each.text, each.finish, each.prompt_tokens, each.completion_tokens], ensure_ascii=False).encode()
        assert 0 <= each.cached_tokens <= each.prompt_tokens


@settings(max_examples=300)
@given(answer=any_json.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
@example(answer=b"[" * 200_000)
@example(answer=b'{"error": {"message": {"detail": []}}}')
@example(answer=b"")
def test_any_error_answer_is_a_refusal_in_one_line(answer: bytes) -> None:
    found = refusal_of(400, answer)
    assert found.message
    assert found.message == " ".join(found.message.split())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"<html>no</html>", ("a web page", None, None)),
        (b"  plain\n text ", ("plain text", None, None)),
        (b'"a string"', ("a string", None, None)),
        (b'{"error": "a sentence"}', ("a sentence", None, None)),
        (b'{"error": {"message": "m", "param": "seed", "code": "c"}}', ("m", "seed", "c")),
        (b'{"error": {"message": "m", "param": null, "code": 400}}', ("m", None, None)),
        (b'{"message": "m", "object": "error"}', ("m", None, None)),
        (b'{"detail": "Not Found"}', ("Not Found", None, None)),
        (b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "input": 1}]}', ("Extra inputs", "seed", None)),
        (b'{"message": {"detail": [{"loc": ["body", "n"], "msg": "Extra"}]}}', ("Extra", "n", None)),
        (b"[]", ("nothing", None, None)),
    ],
)
def test_errors_of_all_servers_are_read(answer: bytes, expected: tuple[str, str | None, str | None]) -> None:
    assert refusal_of(400, answer) == Refusal(400, *expected)


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (400, "This model's maximum context length is 4097 tokens, however you requested 5000 tokens.", None),
        (400, "Input is too big", "context_length_exceeded"),
        (400, "the request exceeds the available context size (4096 tokens), try increasing it", None),
        (400, "The decoder prompt (length 600) is longer than the maximum model length of 512.", None),
        (400, "Input length (9000 tokens) exceeds the maximum allowed length: prompt is too long", None),
        (400, "The input (700 tokens) is longer than the model's context length (512 tokens).", None),
    ],
)
def test_a_prompt_that_is_too_long_is_recognised(status: int, said: str, code: str | None) -> None:
    assert too_long(Refusal(status, said, None, code))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "Rate limit reached: context length 4096"),
        (400, "max_tokens is too large"),
        (404, "The model does not exist"),
    ],
)
def test_other_refusals_are_not(status: int, said: str) -> None:
    assert not too_long(Refusal(status, said))
