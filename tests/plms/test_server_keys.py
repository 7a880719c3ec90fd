"""API keys go where they belong, in the header they belong in, and into no word that is written."""

import logging

import pytest
from server_parts import Asking, refusal, requests, stub

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.discover import discover
from synthgen.plms.engines.server.keys import LONGEST, authorization, key_for, key_variable, key_variables, without_keys
from synthgen.testing import ScriptedServer

SECRET = "sk-very-secret-0123456789"
ELSEWHERE = "https://models.example.org/v1"
OPENAI = "https://api.openai.com/v1"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MINE_API_KEY", "SYNTHGEN_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("mine", "MINE_API_KEY"), ("gpt-4o", "GPT_4O_API_KEY"), ("my.model v2", "MY_MODEL_V2_API_KEY")],
)
def test_a_plm_has_a_variable_of_its_own(name: str, variable: str) -> None:
    assert key_variable(name) == variable


def test_a_key_of_its_own_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (ELSEWHERE, OPENAI):
        assert key_for("mine", url) is None
    monkeypatch.setenv("OPENAI_API_KEY", "openai")
    assert (key_for("mine", ELSEWHERE), key_for("mine", OPENAI)) == (None, "openai")
    monkeypatch.setenv("SYNTHGEN_API_KEY", "any")
    assert (key_for("mine", ELSEWHERE), key_for("mine", OPENAI)) == ("any", "any")
    monkeypatch.setenv("MINE_API_KEY", " own\n")
    assert (key_for("mine", ELSEWHERE), key_for("mine", OPENAI)) == ("own", "own")
    monkeypatch.setenv("MINE_API_KEY", "  ")
    assert key_for("mine", ELSEWHERE) == "any"


@pytest.mark.parametrize(
    "url",
    [
        ELSEWHERE,
        "http://openai.com.example.org/v1",
        "http://notopenai.com/v1",
        "http://127.0.0.1:8000/openai.com/v1",
        "http://example.org:80/v1?x=.openai.com",
    ],
)
@pytest.mark.parametrize("name", ["mine", "openai", "OpenAI"])
def test_openais_key_goes_to_openai_alone(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert key_for(name, url) is None
    assert "OPENAI_API_KEY" not in key_variables(name, url)


def test_the_key_is_sent_as_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_API_KEY", SECRET)
    with ScriptedServer(api_key=SECRET) as server:
        discover(PLM("mine", "", "endpoint", urls=(server.url,)))
        Asking(server.url).texts(requests(3))
        assert server.last_headers["authorization"] == f"Bearer {SECRET}"


def test_no_key_no_header() -> None:
    with ScriptedServer() as server:
        Asking(server.url).texts(requests(1))
        assert "authorization" not in server.last_headers


@pytest.mark.parametrize("given", [SECRET, f"{SECRET}\n"])
def test_a_wrong_key_is_told_without_the_key(
    given: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", given)
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(api_key="another") as server:
        asking = Asking(server.url)
        _, asked = asking.until_error(requests(3))
        with pytest.raises(UserError) as discovered:
            discover(PLM("mine", "mine", "endpoint", urls=(server.url,)))
    for error in (asked, discovered.value):
        assert isinstance(error, UserError)
        assert "MINE_API_KEY or SYNTHGEN_API_KEY" in str(error)
        assert "401" in str(error)
        assert SECRET not in _all_of(error)
    assert SECRET not in caplog.text + repr(asking.notes) + repr(vars(asking.engine))


def _all_of(error: BaseException | None) -> str:
    found = ""
    while error is not None:
        found += repr(error) + repr(error.args) + str(error)
        error = error.__cause__ or error.__context__
    return found


def test_a_key_at_the_end_of_a_long_answer_is_not_told_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", SECRET)
    for filler in range(LONGEST - 2 * len(SECRET), LONGEST + 2):
        with_key = "x" * filler + SECRET
        assert SECRET[:6] not in without_keys(with_key)
    with stub(lambda path, body: (400, refusal("x" * (LONGEST - 10) + SECRET))) as (url, _):
        _, error = Asking(url).until_error(requests(1))
        assert SECRET[:6] not in _all_of(error)


def test_a_key_in_a_note_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", SECRET)

    def other_model(path: str, body: object) -> tuple[int, object]:
        return 200, {"model": f"for {SECRET}", "choices": [{"index": 0, "text": "a text"}]}

    with stub(other_model) as (url, _):
        asking = Asking(url)
        asking.texts(requests(2))
        assert len(asking.notes) == 1
        assert SECRET not in asking.notes[0]


@pytest.mark.parametrize("broken", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET}é", f"{SECRET}\x07x"])
def test_a_key_that_no_header_can_carry_is_one_sentence(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", broken)
    with pytest.raises(UserError, match="SYNTHGEN_API_KEY"):
        authorization("mine", ELSEWHERE)
    with ScriptedServer() as server:
        _, error = Asking(server.url).until_error(requests(1))
        assert isinstance(error, UserError)
        assert SECRET not in _all_of(error)
        with pytest.raises(UserError):
            discover(PLM("mine", "", "endpoint", urls=(server.url,)))
        assert server.last_headers == {}


def test_nothing_answers_and_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_API_KEY", SECRET)
    with ScriptedServer() as server:
        url = server.url
    _, error = Asking(url).until_error(requests(2))
    assert isinstance(error, SynthgenError)
    assert SECRET not in _all_of(error)
