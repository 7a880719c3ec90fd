import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold
from synthgen.tasks.gold_hub import hub_reachable, no_answer
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

TEXTS = ["a grey film", "a golden film", "a film of lead", "a film of silver"]


def task(hub: Path | str, **gold: object) -> Task:
    return Task.model_validate({**load_task("imdb").model_dump(), "gold": {"hub": str(hub), **gold}})


def loaded(hub: Path | str, **gold: object) -> Gold:
    found = load_gold(task(hub, **gold), None, pocket=False)
    assert found is not None
    return found


def parquet(folder: Path, ids: list[int], names: list[str] | None) -> Path:
    import datasets

    label = datasets.Value("int64") if names is None else datasets.ClassLabel(names=names)
    features = datasets.Features({"review": datasets.Value("string"), "verdict": label})
    (folder / "data").mkdir(parents=True)
    columns: dict[str, Any] = {"review": TEXTS[: len(ids)], "verdict": ids}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(folder / "data" / "test-00000-of-00001.parquet")
    return folder


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["negative", "positive"], [0, 1, 0, 1]),
        (["positive", "negative"], [1, 0, 1, 0]),
        (["neg", "pos"], [0, 1, 0, 1]),
        (None, [0, 1, 0, 1]),
    ],
)
def test_class_names_decide_and_else_ids(tmp_path: Path, names: list[str] | None, ids: list[int]) -> None:
    folder = parquet(tmp_path / "hub", ids, names)
    gold = loaded(folder, text="review", label="verdict")
    assert gold.texts == tuple(TEXTS)
    assert gold.labels == ("negative", "positive", "negative", "positive")
    assert gold.source == f"hub:{folder}/test"


@pytest.mark.usefixtures("hub_cache")
def test_class_names_that_contradict_the_order_are_refused(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "hub", [0, 1], ["positive", "neg"])
    with pytest.raises(UserError, match="orders its labels positive, neg otherwise"):
        loaded(folder, text="review", label="verdict")


@pytest.mark.usefixtures("hub_cache")
def test_hidden_labels_are_no_gold(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "hub", [-1, -1], ["negative", "positive"])
    with pytest.raises(UserError, match=r"Of the 2 rows in split test of .* 2 have no label \(-1\); name a"):
        loaded(folder, text="review", label="verdict")


@pytest.mark.usefixtures("hub_cache")
def test_csv_with_label_names(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\na fine thing,positive\na poor thing,negative\n")
    assert loaded(tmp_path).labels == ("positive", "negative")


@pytest.mark.usefixtures("hub_cache")
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.csv").write_text("text,label\na fine thing,positive\na poor thing,dreadful\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r'Row 2 of gold dataset .* "dreadful"'):
        loaded(tmp_path / "data")
    with pytest.raises(UserError, match="has no column sentence; it has text, label"):
        loaded(tmp_path / "data", text="sentence")
    with pytest.raises(UserError, match=r"cannot be loaded: .*train"):
        loaded(tmp_path / "data", split="train")
    with pytest.raises(UserError, match="cannot be loaded"):
        loaded(tmp_path / "empty")


@pytest.mark.usefixtures("unreachable")
def test_what_was_loaded_before_serves_offline(tmp_path: Path, hub_cache: Path) -> None:
    import datasets

    folder = parquet(tmp_path / "folder", [0, 1, 1, 0], ["neg", "pos"])
    arrow = Path(datasets.load_dataset(str(folder), split="test").cache_files[0]["filename"])
    # As the library lays out what it has loaded from the Hub: owner___name/config/version/hash.
    target = hub_cache / "owner___films" / "default" / "0.0.0" / "0123abcd"
    shutil.copytree(arrow.parent, target)
    (target / arrow.name).rename(target / "films-test.arrow")
    before = datasets.config.HF_HUB_OFFLINE
    gold = loaded("owner/films", text="review", label="verdict")
    assert gold.labels == ("negative", "positive", "positive", "negative")
    assert gold.source == "hub:owner/films/test"
    assert datasets.config.HF_HUB_OFFLINE is before
    few = loaded("owner/films", text="review", label="verdict", limit=3)
    assert few.source == "hub:owner/films/test (3 of it)"
    assert set(few.texts) < set(TEXTS)


@pytest.mark.usefixtures("unreachable")
def test_reachability(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert not hub_reachable()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub_reachable()
        monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
        assert not hub_reachable()
        monkeypatch.delenv("HF_DATASETS_OFFLINE")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert not hub_reachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert not hub_reachable()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert hub_reachable()


CODE = """
import sys
from synthgen.errors import UserError
from synthgen.tasks.gold import load_gold
from synthgen.tasks.registry import load_task

assert not {"datasets", "huggingface_hub", "torch", "pandas"} & set(sys.modules)
print(load_gold(load_task("imdb"), None, pocket=True).source)
try:
    load_gold(load_task("imdb"), None, pocket=False)
except UserError as error:
    print(error)
"""


def fall_back(endpoint: str, home: Path) -> str:
    """Ask for imdb's gold data in a process of its own, where ``endpoint`` is the Hub, and return what was printed."""
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith(("_proxy", "_offline"))}
    env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout


def test_falling_back_is_silent_and_loads_nothing_heavy_at_import(tmp_path: Path) -> None:
    assert fall_back("http://127.0.0.1:1", tmp_path).splitlines() == [
        "bundled:imdb",
        "Gold dataset stanfordnlp/imdb of task imdb cannot be reached; pass --gold FILE, or --gold none to go without.",
    ]


@contextmanager
def hub_that_answers(*statuses: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the endpoint of a Hub that answers so, the last for all that follows, and the paths it is asked for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(statuses[min(len(asked), len(statuses)) - 1])
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def test_a_hub_that_answers_without_the_dataset_is_no_missing_folder(tmp_path: Path) -> None:
    with hub_that_answers(404) as (endpoint, _):
        said = fall_back(endpoint, tmp_path).splitlines()
    assert said[0] == "bundled:imdb"
    assert said[1].startswith("Gold dataset stanfordnlp/imdb of task imdb does not come from the Hub; pass")


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("status", [503, 500, 429])
def test_an_overloaded_hub_is_asked_twice_and_no_more(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with hub_that_answers(status) as (endpoint, asked):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        found = load_gold(load_task("imdb"), None, pocket=True)
        with pytest.raises(UserError, match=f"imdb cannot be had now, the Hub answers {status}; pass --gold FILE"):
            load_gold(load_task("imdb"), None, pocket=False)
    assert found is not None
    assert found.source == "bundled:imdb"
    assert asked == ["/datasets/stanfordnlp/imdb/resolve/main/README.md"] * 4


@pytest.mark.usefixtures("unreachable")
def test_a_hub_that_recovers_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with hub_that_answers(503, 200) as (endpoint, asked):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        assert no_answer("owner/a name") is None
    assert asked == ["/datasets/owner/a%20name/resolve/main/README.md"] * 2
