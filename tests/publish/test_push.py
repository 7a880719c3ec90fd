"""A run pushed by the real client to a Hub over real HTTP: what goes, where, and when a commit is made."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from hub_server import Hub
from hub_store import Blob
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.hub.push import push

ALL = {"train.parquet", "README.md", "plots/cartography.png", "recipe.yaml", "manifest.json", "metrics.json"}


def held(hub: Hub, repo: str = "jane/imdb", branch: str = "main") -> dict[str, bytes]:
    files = hub.store.repos[repo].branches[branch][-1].files
    return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}


def test_a_push_is_one_commit_of_what_a_reader_needs(hub: Hub, run: Path) -> None:
    pushed = push(run, "jane/imdb")
    assert [set(made.changed) for made in hub.commits("jane/imdb")] == [ALL]
    assert pushed.commit == hub.commits("jane/imdb")[0].id
    assert pushed.url == f"{hub.url}/datasets/jane/imdb"
    assert (pushed.private, pushed.removed, pushed.notes) == (False, (), ())
    assert {file.path for file in pushed.files if file.state == "new"} == ALL
    there = held(hub)
    assert there["train.parquet"] == (run / "dataset" / "train.parquet").read_bytes()
    assert there["README.md"] == (run / "dataset" / "README.md").read_bytes()
    assert there["plots/cartography.png"] == (run / "plots" / "cartography.png").read_bytes()
    assert there["recipe.yaml"] == (run / "recipe.yaml").read_bytes()
    assert hub.commits("jane/imdb")[0].message == "imdb by fusegen: 48 samples"


def test_a_second_push_makes_no_commit_and_sends_nothing(hub: Hub, run: Path) -> None:
    first = push(run, "jane/imdb")
    hub.asked.clear()
    second = push(run, "jane/imdb")
    assert second.commit is None
    assert {file.state for file in second.files} == {"same"}
    assert [file.sha256 for file in second.files] == [file.sha256 for file in first.files]
    assert len(hub.commits("jane/imdb")) == 1
    assert hub.count("^(PUT|POST)") == hub.count("paths-info") == 1


def test_a_changed_card_is_one_commit_with_one_file(hub: Hub, run: Path) -> None:
    push(run, "jane/imdb")
    card = run / "dataset" / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    hub.asked.clear()
    pushed = push(run, "jane/imdb")
    assert [file.path for file in pushed.files if file.state == "changed"] == ["README.md"]
    assert [made.changed for made in hub.commits("jane/imdb")[1:]] == [["README.md"]]
    assert hub.count("^PUT") == 0


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(edits=st.lists(st.tuples(st.sampled_from(["README.md", "train", "metrics"]), st.integers(0, 2)), max_size=5))
def test_the_hub_holds_the_run_and_commits_count_changes(
    hub: Hub, made: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int]]
) -> None:
    run = Path(shutil.copytree(made, tmp_path_factory.mktemp("edited") / "run"))
    hub.store.repos.clear()
    table = pq.read_table(run / "dataset" / "train.parquet")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    states: list[dict[str, bytes]] = [{}]
    for what, number in [("README.md", 0), *edits]:
        if what == "README.md":
            (run / "dataset" / "README.md").write_text(f"---\nlicense: mit\n---\n{number}\n", encoding="utf-8")
        elif what == "metrics":
            (run / "metrics.json").write_text(json.dumps({**metrics, "n": number}), encoding="utf-8")
        else:
            rows = table.take(list(range(number, len(table))) + list(range(number)))
            pq.write_table(rows, run / "dataset" / "train.parquet")
        push(run, "jane/imdb")
        states.append(held(hub))
        assert states[-1]["train.parquet"] == (run / "dataset" / "train.parquet").read_bytes()
        assert states[-1]["metrics.json"] == (run / "metrics.json").read_bytes()
    assert len(hub.commits("jane/imdb")) == sum(now != before for before, now in pairwise(states))


def test_load_dataset_reads_the_same_rows_and_features_from_the_hub(hub: Hub, run: Path, tmp_path: Path) -> None:
    push(run, "jane/imdb")
    push(run, "jane/imdb", revision="v2")
    code = """
import sys, datasets
datasets.disable_progress_bars()
local = datasets.load_dataset(sys.argv[1], split="train")
for revision in (None, "v2"):
    there = datasets.load_dataset("jane/imdb", split="train", revision=revision)
    assert there.features == local.features, there.features
    assert there.to_list() == local.to_list()
print(len(there), there.features["label"].names)
"""
    home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    script = [sys.executable, "-c", code, str(run / "dataset")]
    ran = subprocess.run(script, env={**os.environ, **home}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "48 ['negative', 'positive']"


def test_a_branch_is_made_where_it_is_missing_and_main_stays(hub: Hub, run: Path) -> None:
    push(run, "jane/imdb")
    card = run / "dataset" / "README.md"
    card.write_text("---\nlicense: mit\n---\nnew\n", encoding="utf-8")
    pushed = push(run, "jane/imdb", revision="v2")
    assert pushed.url == f"{hub.url}/datasets/jane/imdb/tree/v2"
    assert b"new" in held(hub, branch="v2")["README.md"]
    assert b"new" not in held(hub)["README.md"]
    assert push(run, "jane/imdb", revision="v2").commit is None


def test_a_bare_name_is_ones_own(hub: Hub, run: Path) -> None:
    assert push(run, "imdb").repo == "jane/imdb"
    assert set(held(hub)) == ALL


def test_a_private_repository_is_made_private_and_a_public_one_is_refused(hub: Hub, run: Path) -> None:
    assert push(run, "jane/secret", private_repo=True).private is True
    assert hub.store.repos["jane/secret"].private
    push(run, "jane/imdb")
    card = run / "dataset" / "README.md"
    card.write_text("changed", encoding="utf-8")
    with pytest.raises(UserError, match=r"jane/imdb is there and public"):
        push(run, "jane/imdb", private_repo=True)
    assert len(hub.commits("jane/imdb")) == 1


def test_what_an_earlier_run_left_goes_and_what_people_added_stays(hub: Hub, run: Path, private_run: Path) -> None:
    push(private_run, "jane/imdb")
    assert held(hub)["ledger.json"] == (private_run / "ledger.json").read_bytes()
    hub.store.repos["jane/imdb"].add("main", "by hand", {"notes.txt": Blob(b"mine", False)}, [])
    pushed = push(run, "jane/imdb")
    assert pushed.removed == ("ledger.json",)
    assert set(held(hub)) == ALL | {"notes.txt"}


def test_nothing_of_rounds_votes_or_logs_and_no_path_of_the_machine_goes(hub: Hub, private_run: Path) -> None:
    push(private_run, "jane/imdb")
    there = held(hub)
    assert set(there) <= ALL | {"ledger.json"}
    for path, data in there.items():
        assert str(private_run.parent).encode() not in data, path
        assert b"/seeds.jsonl" not in data, path
    assert yaml.safe_load(there["recipe.yaml"])["private"] == ["seeds.jsonl"]
    assert there["recipe.yaml"].startswith(b"# As published")
    assert push(private_run, "jane/imdb").commit is None


def test_the_picture_beside_the_card_goes_before_the_runs_own(hub: Hub, run: Path) -> None:
    beside = run / "dataset" / "plots"
    shutil.rmtree(beside, ignore_errors=True)
    push(run, "jane/imdb")
    assert held(hub)["plots/cartography.png"] == (run / "plots" / "cartography.png").read_bytes()
    beside.mkdir()
    (beside / "cartography.png").write_bytes(b"beside the card")
    push(run, "jane/imdb")
    assert held(hub)["plots/cartography.png"] == b"beside the card"


def test_large_files_go_in_parts_where_the_hub_asks_for_parts(hub: Hub, run: Path) -> None:
    hub.multipart = True
    push(run, "jane/imdb")
    assert hub.count("PUT .*part=2") > 0
    assert held(hub)["train.parquet"] == (run / "dataset" / "train.parquet").read_bytes()


def test_progress_tells_each_file_up_to_its_end(hub: Hub, run: Path) -> None:
    told: list[tuple[str, int, int]] = []
    push(run, "jane/imdb", observe=lambda path, sent, size: told.append((path, sent, size)))
    for path in ALL:
        steps = [(sent, size) for name, sent, size in told if name == path]
        assert steps[-1][0] == steps[-1][1] == len(held(hub)[path])
        assert all(0 <= sent <= size for sent, size in steps)
    assert len([one for one in told if one[0] == "plots/cartography.png"]) > 2
