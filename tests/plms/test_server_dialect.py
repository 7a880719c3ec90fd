"""What a server does without is learnt from its refusals, and every request is answered all the same."""

from typing import Any

import pytest
from server_parts import PROMPTS, Asking, completion, refusal, requests, stub

from synthgen.errors import UserError
from synthgen.records import Request
from synthgen.testing import ScriptedServer


def test_choices_are_one_request() -> None:
    asked = requests(12)
    with ScriptedServer() as server:
        asking = Asking(server.url, choices=4)
        texts = asking.texts(asked)
        assert [body["n"] for body in server.seen] == [4, 4, 4]
        assert len(set(texts.values())) == 12
        assert asking.texts(asked) == texts
        firsts = {batch[0].prompt: batch[0].seed % 2**31 for batch in asking.engine.batches(asked)}
        assert {body["prompt"]: body["seed"] for body in server.seen} == firsts


def test_requests_with_other_settings_are_never_choices_of_one() -> None:
    asked = [request for tokens in (5, 9) for request in requests(4, prompts=PROMPTS[:1], tokens=tokens)]
    asked = [Request(f"{n}", "mine", 0, "p", r.prompt, r.seed, r.sampling) for n, r in enumerate(asked)]
    with ScriptedServer() as server:
        found = Asking(server.url, choices=8).completions(asked)
        assert [len(found[request.id].text.split()) <= request.sampling.max_tokens for request in asked] == [True] * 8
        assert sorted(body["max_tokens"] for body in server.seen) == [5, 9]


def test_a_server_that_ignores_n_is_asked_for_each() -> None:
    def one_choice(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, completion(f"text of {body['seed']}")

    asked = requests(12)
    with stub(one_choice) as (url, seen):
        texts = Asking(url, choices=4).texts(asked)
        assert texts == {request.id: f"text of {request.seed % 2**31}" for request in asked}
        assert len(seen) == len(asked)


def test_an_answer_with_more_choices_than_asked_for_is_cut() -> None:
    def many(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        answer = completion("one")
        return 200, {**answer, "choices": [{"index": n, "text": f"{n}"} for n in (2, 1, 0)]}

    with stub(many) as (url, _):
        assert set(Asking(url).texts(requests(3)).values()) == {"0"}


REFUSED = {
    "openai": lambda name: refusal(f"Unsupported parameter: '{name}' is not supported with this model.", param=name),
    "no param": lambda name: refusal(f"Unrecognized request argument supplied: {name}"),
    "fastapi": lambda name: {
        "detail": [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": 1}
        ]
    },
    "mistral": lambda name: {
        "object": "error",
        "message": {"detail": [{"loc": ["body", name], "msg": "Extra inputs"}]},
    },
}


@pytest.mark.parametrize("name", ["seed", "stop", "temperature", "top_p"])
@pytest.mark.parametrize("shape", REFUSED)
def test_a_parameter_that_is_not_taken_is_left_out(shape: str, name: str) -> None:
    def strict(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if name in body:
            return (422 if shape == "fastapi" else 400), REFUSED[shape](name)
        return 200, completion('a text" and more')

    with stub(strict) as (url, seen):
        asking = Asking(url, in_flight=8)
        assert set(asking.texts(requests(30)).values()) == {"a text"}
        assert len(asking.notes) == 1
        assert name in asking.notes[0]
        assert len(seen) <= 30 + 8
        asking.texts(requests(30))
        assert len(asking.notes) == 1
        assert len(seen) <= 60 + 8


def test_choices_are_asked_for_one_by_one_where_n_is_not_taken() -> None:
    def strict(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if "n" in body:
            return 400, refusal("'n' : number must be 1", param="n")
        return 200, completion(f"{body['seed']}")

    asked = requests(12)
    with stub(strict) as (url, _):
        assert Asking(url, choices=4).texts(asked) == {request.id: f"{request.seed % 2**31}" for request in asked}


def test_new_models_get_their_limit_under_its_new_name() -> None:
    def modern(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            return 400, refusal(said + "instead.", param="max_tokens", code="unsupported_parameter")
        if body["temperature"] != 1.0 or "top_p" in body:
            name = "top_p" if "top_p" in body else "temperature"
            return 400, refusal(f"Unsupported value: '{name}' does not support {body[name]}.", param=name)
        return 200, completion(f"limit {body['max_completion_tokens']}", chat=True)

    with stub(modern) as (url, seen):
        assert set(Asking(url, chat=True, in_flight=8).texts(requests(30)).values()) == {"limit 60"}
        assert len(seen) <= 30 + 2 * 8


@pytest.mark.parametrize(
    "said", [(404, {"detail": "Not Found"}), (404, b"<html>nothing here</html>"), (405, b"Method Not Allowed")]
)
def test_a_server_that_knows_only_chat_is_found_out(said: tuple[int, Any]) -> None:
    def chat_only(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (200, completion('"a text"', chat=True)) if path.endswith("/chat/completions") else said

    with stub(chat_only) as (url, seen):
        asking = Asking(url, in_flight=8)
        assert set(asking.texts(requests(30)).values()) == {'"a text"'}
        assert len(asking.notes) == 1
        assert "chat" in asking.notes[0]
        assert all("stop" not in body for path, body in seen if "chat" in path)
        _, error = Asking(url, chat=False, fixed=True).until_error(requests(1))
        assert isinstance(error, UserError)
        assert url in str(error)


def test_a_model_that_is_not_there_is_no_chat_server() -> None:
    def absent(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 404, refusal("The model `llama-2-7b-chat` does not exist.", code="model_not_found")

    with stub(absent) as (url, seen):
        asking = Asking(url, in_flight=1)
        _, error = asking.until_error(requests(3))
        assert isinstance(error, UserError)
        assert "does not exist" in str(error)
        assert asking.notes == []
        assert len(seen) == 1


def test_a_model_that_thought_its_tokens_away_has_an_empty_text() -> None:
    def thinking(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        message = {"role": "assistant", "content": None, "reasoning_content": "Let me think."}
        return 200, {"choices": [{"index": 0, "finish_reason": "length", "message": message}]}

    with stub(thinking) as (url, seen):
        found = Asking(url, chat=True).completions(requests(3))
        assert {(each.text, each.finish) for each in found.values()} == {("", "length")}
        assert len(seen) == 3


def test_money_that_is_spent_is_not_waited_for() -> None:
    def spent(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 429, refusal("You exceeded your current quota.", code="insufficient_quota")

    with stub(spent) as (url, seen):
        _, error = Asking(url, in_flight=1).until_error(requests(3))
        assert "quota" in str(error)
        assert len(seen) == 1
