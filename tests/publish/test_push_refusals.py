"""What is not published: names that are none, runs that are not complete or not whole, promises not borne out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub

from synthgen import api
from synthgen.errors import UserError
from synthgen.hub.push import push


def change(path: Path, **values: Any) -> None:
    """Write other values by somebody who knows what they do: without the checksum that tells of damage."""
    held = json.loads(path.read_text(encoding="utf-8"))
    held.pop("crc32", None)
    path.write_text(json.dumps({**held, **values}), encoding="utf-8")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without_a_label(path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(path).drop_columns(["label"]), path)


@pytest.mark.parametrize(
    "repo",
    ["", "a/b/c", "jane/im db", "jane/", "/imdb", "jane/-x", "jane/a--b", "jane/x.git", "datasets/jane/x", "jané/x"],
)
def test_what_cannot_name_a_repository(hub: Hub, run: Path, repo: str) -> None:
    with pytest.raises(UserError, match="cannot name a repository; give user/name"):
        push(run, repo)
    assert hub.asked == []


@pytest.mark.parametrize("branch", ["", "a b", "a..b", "-x", "x/", "x.lock", "a~1", "a:b", "0123456789" * 4])
def test_what_cannot_name_a_branch(hub: Hub, run: Path, branch: str) -> None:
    with pytest.raises(UserError, match="cannot name a branch"):
        push(run, "jane/imdb", revision=branch)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: shutil.rmtree(run), "is not a run folder"),
        (lambda run: (run / "recipe.yaml").unlink(), "is not a run folder"),
        (lambda run: (run / "recipe.yaml").write_text("method:\n\tx"), "is not valid YAML"),
        (lambda run: (run / "manifest.json").unlink(), r"is not complete \(status: unknown\)"),
        (lambda run: change(run / "manifest.json", status="running"), r"is not complete \(status: running\).*--resume"),
        (lambda run: change(run / "manifest.json", status="failed"), r"is not complete \(status: failed\)"),
        (lambda run: shorten(run / "manifest.json"), "manifest.json is damaged"),
        (lambda run: (run / "metrics.json").write_bytes(b"\xff\xfe"), "metrics.json is damaged"),
        (lambda run: (run / "dataset" / "train.parquet").unlink(), "There is no .*train.parquet"),
        (lambda run: shorten(run / "dataset" / "train.parquet"), "train.parquet cannot be read as Parquet"),
        (lambda run: without_a_label(run / "dataset" / "train.parquet"), "train.parquet has no column label"),
        (lambda run: change(run / "metrics.json", samples=47), "dataset has 48 rows and its metrics.json counts 47"),
        (lambda run: change(run / "manifest.json", privacy={"epsilon": 1.0}), "ledger.json is missing"),
        (lambda run: (run / "ledger.json").write_text("{}"), "does not say what was promised"),
    ],
)
def test_a_run_that_is_not_fit(hub: Hub, run: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(run)
    for dry_run in (False, True):
        with pytest.raises(UserError, match=said):
            push(run, "jane/imdb", dry_run=dry_run)
    assert hub.asked == []


def test_an_old_run_goes_without_the_parts_it_lacks(hub: Hub, run: Path) -> None:
    (run / "recipe.yaml").write_text("method: fusegen\ntask: imdb\nof_an_older_version: 3\n", encoding="utf-8")
    (run / "metrics.json").unlink()
    shutil.rmtree(run / "plots")
    shutil.rmtree(run / "dataset" / "plots", ignore_errors=True)
    shutil.rmtree(run / "rounds")
    assert {file.path for file in push(run, "jane/imdb").files} == {
        "train.parquet",
        "README.md",
        "recipe.yaml",
        "manifest.json",
    }
    (run / "dataset" / "README.md").unlink()
    assert push(run, "jane/imdb").notes == ("The run has no dataset card (README.md).",)


def spend_more(ledger: Path) -> None:
    releases = json.loads(ledger.read_text(encoding="utf-8"))["releases"]
    change(ledger, releases=[*releases, {**releases[0], "name": "09 more", "cost": 50.0}])


def leave_out(ledger: Path) -> None:
    change(ledger, releases=json.loads(ledger.read_text(encoding="utf-8"))["releases"][1:])


def tell_less(ledger: Path) -> None:
    change(ledger, spent={"epsilon": 0.5, "delta": 1e-5})


def promise_else(ledger: Path) -> None:
    promised = json.loads(ledger.read_text(encoding="utf-8"))["promised"]
    change(ledger, promised={**promised, "epsilon": 1.0})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda ledger: ledger.unlink(), "ledger.json is missing"),
        (shorten, "ledger.json is damaged"),
        (lambda ledger: change(ledger, releases=[{"name": "00 sums"}]), "ledger.json is damaged"),
        (lambda ledger: change(ledger, spent={}), "ledger.json is damaged"),
        (spend_more, r"lists releases of epsilon .* in all; 4 were promised"),
        (leave_out, r"does not list the release \w+ of round 00"),
        (tell_less, r"does not sum up: it tells epsilon 0.5 and lists releases of"),
        (promise_else, "holds another promise"),
        (lambda ledger: change(ledger.with_name("manifest.json"), privacy=None), "does not say what was promised"),
    ],
)
def test_a_private_run_whose_ledger_does_not_bear_it_out(
    hub: Hub, private_run: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(private_run / "ledger.json")
    with pytest.raises(UserError, match=said):
        push(private_run, "jane/imdb", private_repo=True)
    assert hub.asked == []


@pytest.mark.parametrize("privacy", [{"enabled": False}, {"noise": "insecure-test"}])
def test_a_run_without_protection_goes_to_private_repositories_alone(
    hub: Hub, made_private: Path, tmp_path: Path, privacy: dict[str, Any]
) -> None:
    seeds, small = made_private.parent / "seeds.jsonl", {"samples": 24, "rounds": 1, "demos": 4, "candidates": 8}
    run = tmp_path / "run"
    api.wasp([seeds], ["llama2", "opt"], task="imdb", out=run, engine="scripted", privacy=privacy, **small)
    hub.asked.clear()
    with pytest.raises(UserError, match=r"were not protected.*--private-repo"):
        push(run, "jane/imdb")
    assert hub.asked == []
    assert push(run, "jane/imdb", private_repo=True).private is True
    hub.store.repos["jane/imdb"].private = False
    with pytest.raises(UserError, match="is there and public"):
        push(run, "jane/imdb", private_repo=True)


def test_the_dataset_of_another_run_is_refused_though_its_rows_are_as_many(run: Path, hub: Hub) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run / "dataset" / "train.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("plm")
    pq.write_table(table.set_column(place, "plm", pa.array(["other"] * len(table))), path)
    with pytest.raises(UserError, match=r"is not the dataset of this run: its plms are others than metrics\.json"):
        push(run, "jane/reviews")
