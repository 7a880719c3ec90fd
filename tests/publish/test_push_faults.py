"""A Hub that refuses, fails, is overtaken or hangs up: what is tried again, what is said, what is not sent twice."""

import re
from pathlib import Path
from typing import Any

import pytest
from hub_server import Fault, Hub
from hub_store import Blob

from synthgen.errors import SynthgenError, UserError
from synthgen.hub.push import push

STEPS = {
    "look": "GET /api/datasets/jane/imdb$",
    "create": "POST /api/repos/create",
    "compare": "POST .*/paths-info/",
    "modes": "POST .*/preupload/",
    "batch": "POST .*/objects/batch",
    "upload": "PUT /lfs/",
    "verify": "POST /lfs/.*verify",
    "card": "POST /api/validate-yaml",
    "commit": "POST .*/commit/",
}
AGAIN = "run the same command again: what is uploaded stays"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"status": 429}, {"cut": "body"}, {"cut": "answer"}]
)
def test_a_step_that_fails_twice_is_done_in_the_end_and_once(
    hub: Hub, run: Path, waits: list[float], step: str, fault: dict[str, Any]
) -> None:
    hub.faults = [Fault(STEPS[step], times=2, **fault)]
    pushed = push(run, "jane/imdb")
    # What was done, and only not answered, is not asked for again.
    assert hub.faults[0].times == int("cut" in fault and fault["cut"] == "answer" and step in {"create", "commit"})
    assert waits
    assert pushed.commit == hub.commits("jane/imdb")[-1].id
    assert len(hub.commits("jane/imdb")) == 1
    assert {file.state for file in pushed.files} == {"new"}
    assert push(run, "jane/imdb").commit is None


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"cut": "body"}])
def test_a_step_that_goes_on_failing_ends_in_one_sentence(
    hub: Hub, run: Path, waits: list[float], step: str, fault: dict[str, Any]
) -> None:
    hub.faults = [Fault(STEPS[step], times=1000, **fault)]
    with pytest.raises(SynthgenError, match=AGAIN) as ended:
        push(run, "jane/imdb")
    assert not isinstance(ended.value, UserError)
    assert "\n" not in str(ended.value)
    assert sum(waits) >= 15
    hub.faults.clear()
    assert push(run, "jane/imdb").commit == hub.commits("jane/imdb")[-1].id
    assert len(hub.commits("jane/imdb")) == 1


def test_an_interrupted_push_goes_on_with_what_is_missing(hub: Hub, run: Path, waits: list[float]) -> None:
    picture = "plots/cartography.png"
    size = (run / picture).stat().st_size
    hub.faults = [Fault("PUT /lfs/.*size=" + str(size), times=1000, cut="body")]
    with pytest.raises(SynthgenError, match=AGAIN):
        push(run, "jane/imdb")
    assert hub.commits("jane/imdb") == []
    sent = dict(hub.received)
    assert list(sent.values()) == [(run / "dataset" / "train.parquet").stat().st_size]
    hub.faults.clear()
    push(run, "jane/imdb")
    assert {oid: hub.received[oid] for oid in sent} == sent
    assert sorted(hub.received.values()) == sorted([size, *sent.values()])
    assert len(hub.commits("jane/imdb")) == 1


def test_a_commit_of_another_in_between_is_built_upon(hub: Hub, run: Path, waits: list[float]) -> None:
    push(run, "jane/imdb")
    (run / "dataset" / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    repo = hub.store.repos["jane/imdb"]
    others = {"notes.txt": Blob(b"theirs", False)}
    hub.faults = [Fault(STEPS["commit"], then=lambda: repo.add("main", "theirs", others, []) and None)]
    push(run, "jane/imdb")
    assert [made.message for made in hub.commits("jane/imdb")[1:]] == ["theirs", "imdb by fusegen: 48 samples"]
    assert repo.branches["main"][-1].files["notes.txt"].data == b"theirs"


@pytest.mark.parametrize("status", [409, 412])
def test_commits_that_overtake_for_ever_end_in_one_sentence(
    hub: Hub, run: Path, waits: list[float], status: int
) -> None:
    hub.faults = [Fault(STEPS["commit"], status=status, times=2)]
    assert push(run, "jane/imdb").commit
    (run / "dataset" / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    hub.faults = [Fault(STEPS["commit"], status=status, times=1000)]
    with pytest.raises(SynthgenError, match=f"Others commit to jane/imdb at the same time; {AGAIN}"):
        push(run, "jane/imdb")


def test_the_hub_says_how_long_to_wait(hub: Hub, run: Path, waits: list[float]) -> None:
    hub.faults = [Fault(STEPS["commit"], status=429, headers={"Retry-After": "17"})]
    push(run, "jane/imdb")
    assert waits == [17.0]


@pytest.mark.parametrize(
    ("token", "repo", "said"),
    [
        ("hf_unknown", "jane/imdb", r"does not know the token; log in with `hf auth login`, or set HF_TOKEN"),
        ("hf_reader", "jane/imdb", r"The token may not write to jane/imdb"),
        ("hf_reader", "jane/there", r"The token may not write to jane/there"),
        ("hf_other", "jane/imdb", r"The token may not write to jane/imdb"),
        ("hf_other", "jane/there", r"The token may not write to jane/there"),
        ("hf_other", "jane/hidden", r"The token may not write to jane/hidden"),
        ("hf_writ er", "jane/imdb", r"The token holds signs that no token has"),
        ("hf_\x01", "jane/imdb", r"The token holds signs that no token has"),
        ("", "jane/imdb", r"There is no token for the Hub; log in with `hf auth login`, or set HF_TOKEN"),
    ],
)
def test_a_token_that_will_not_do(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, token: str, repo: str, said: str
) -> None:
    push(run, "jane/there")
    push(run, "jane/hidden", private_repo=True)
    (run / "dataset" / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=said) as ended:
        push(run, repo)
    assert token == "" or token not in str(ended.value)
    assert len(hub.commits("jane/there")) == len(hub.commits("jane/hidden")) == 1


def test_a_refused_card_says_why(hub: Hub, run: Path) -> None:
    hub.card_says = {"errors": [{"message": '"license" must be one of mit, …'}]}
    with pytest.raises(UserError, match='"license" must be one of mit'):
        push(run, "jane/imdb")
    assert hub.commits("jane/imdb") == []
    hub.card_says = {"warnings": [{"message": "empty or missing yaml metadata"}]}
    assert "empty or missing yaml metadata" in push(run, "jane/imdb").notes[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "has no dataset jane/imdb"),
        (402, r"status 402.*says: no room"),
        (413, r"status 413"),
        (422, r"status 422"),
    ],
)
def test_other_refusals_are_the_users_to_mend(hub: Hub, run: Path, status: int, said: str) -> None:
    hub.faults = [Fault(STEPS["commit"], status=status, says="no room")]
    with pytest.raises(UserError, match=said):
        push(run, "jane/imdb")


def test_the_token_is_not_said_even_by_a_hub_that_says_it_back(hub: Hub, run: Path) -> None:
    hub.faults = [Fault(STEPS["commit"], status=422, says="you sent Bearer hf_writer")]
    with pytest.raises(UserError, match=re.escape("you sent Bearer (the token)")) as ended:
        push(run, "jane/imdb")
    error: BaseException | None = ended.value
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_hub_that_cannot_be_reached_is_not_waited_for(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(SynthgenError, match=r"127\.0\.0\.1:1 cannot be reached"):
        push(run, "jane/imdb")
    assert waits == []
    dry = push(run, "jane/imdb", dry_run=True)
    assert dry.notes == ("The Hub was not asked: it cannot be reached.",)
    assert {file.state for file in dry.files} == {"not asked"}


def test_a_server_that_is_no_hub(hub: Hub, run: Path, waits: list[float]) -> None:
    hub.faults = [Fault(STEPS["modes"], status=200, times=1000)]
    with pytest.raises(SynthgenError, match="does not answer as a Hub does"):
        push(run, "jane/imdb")


def test_offline_mode_is_named(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        push(run, "jane/imdb")
    assert push(run, "jane/imdb", dry_run=True).notes == ("The Hub was not asked: HF_HUB_OFFLINE is set.",)
    assert hub.asked == []


def test_a_dry_run_writes_nothing_and_says_what_is_there(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {file.state for file in push(run, "imdb", dry_run=True).files} == {"new"}
    assert hub.store.repos == {}
    push(run, "jane/imdb")
    (run / "dataset" / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    dry = push(run, "jane/imdb", dry_run=True)
    assert {file.path: file.state for file in dry.files} == {
        "train.parquet": "same",
        "README.md": "changed",
        "recipe.yaml": "same",
        "manifest.json": "same",
        "metrics.json": "same",
    }
    assert dry.removed == ("plots/cartography.png",)
    assert len(hub.commits("jane/imdb")) == 1
    monkeypatch.delenv("HF_TOKEN")
    hub.asked.clear()
    assert push(run, "jane/imdb", dry_run=True).notes == ("The Hub was not asked: there is no token.",)
    assert hub.asked == []
