"""Names from users, files and servers never lead out of the folder that was named."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hostile_places import imdb, pairs

from synthgen.api import fusegen
from synthgen.errors import SynthgenError, UserError, refused
from synthgen.hub.names import check_names
from synthgen.plms.resolve import can_name, resolve_plms
from synthgen.pool import read_pool
from synthgen.recipe import make_recipe
from synthgen.study import Study, entries
from synthgen.tasks.generic import generic_task
from synthgen.tasks.registry import load_task, task_file
from synthgen.tasks.task import Task

OUTSIDE = ("../../x", "..", "../x", "/tmp/x", "a/../../x", "..\\..\\x", "a\0b", ".", "~/x", "x/y", "a\nb")
SMALL = {"engine": "scripted", "gold": "none", "samples": 8, "rounds": 1, "demos": 1, "candidates": 4}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_plm_cannot_be_called_so(name: str) -> None:
    assert not can_name(name)
    for spec in (f"{name}=llama2", f"{name}=http://localhost:1/v1"):
        with pytest.raises(UserError):
            resolve_plms([spec], "pocket")


@pytest.mark.parametrize("model", ["http://localhost:1/../../x", "../../x@http://localhost:1/v1", "a/..@http://h/v1"])
def test_a_plm_called_after_its_model_is_called_plainly(model: str) -> None:
    try:
        (plm,) = resolve_plms([model], "pocket")
    except UserError:
        return
    assert can_name(plm.name)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_pool_cannot_name_a_plm_so(name: str, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text(json.dumps({"text": "a film", "label": "positive", "plm": name}) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="plm"):
        read_pool([str(path)], imdb())


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_task_is_bundled_or_a_yaml_file(name: str) -> None:
    with pytest.raises(UserError, match="There is no task"):
        task_file(name)
    with pytest.raises(ValueError, match="name"):
        Task.model_validate({**imdb().model_dump(), "name": f"{name}/x"})


@pytest.mark.parametrize("name", [*OUTSIDE, "...", ".hidden", "-"])
def test_an_arm_of_a_study_cannot_be_called_so(name: str, tmp_path: Path) -> None:
    settings = {"task": "imdb", "plms": ["gpt2"], **SMALL}
    for study in ({"compare": name, "arms": {"zerogen": {}}}, {"compare": "x", "arms": {name: {"method": "zerogen"}}}):
        try:
            made = Study.model_validate({"seeds": [0], "settings": settings, **study})
        except ValueError:
            continue
        for entry in entries(made, tmp_path / made.compare):
            assert (tmp_path / made.compare).resolve() in entry.path.resolve().parents
            assert tmp_path.resolve() in (tmp_path / made.compare).resolve().parents


@pytest.mark.parametrize(
    "repo", ["../x", "a/../b", "a/b/c", "/a/b", "a//b", "a/..", "https://x/y", "a/b\n", "a/b?x", ""]
)
def test_a_repository_cannot_be_called_so(repo: str) -> None:
    with pytest.raises(UserError):
        check_names(repo, None)


@pytest.mark.parametrize(
    "branch", ["..", "a/../b", "/a", "a//b", "-a", ".a", "a b", "a\n", "a?b", "", "refs/.x", "a.lock"]
)
def test_a_branch_cannot_be_called_so(branch: str) -> None:
    with pytest.raises(UserError):
        check_names("me/data", branch)


def test_labels_and_attributes_are_no_paths(tmp_path: Path) -> None:
    out = tmp_path / "inside" / "run"
    labels = ("../../x", "/etc/passwd", "a/b", "CON", "-rf", "x" * 80, "{label}", "..")
    fusegen("", ["gpt2", "opt"], out=out, labels=labels, **{**SMALL, "samples": 64})
    assert {path.split("/")[0] for path in files(tmp_path)} == {"inside"}
    assert {path.name for path in (tmp_path / "inside").iterdir()} == {"run"}
    assert not [name for name in files(out) if any(label in name for label in ("..", "passwd", "CON", "-rf", "xxx"))]
    rated = load_task("yelp-rating")
    assert rated.attributes is not None
    hostile = rated.model_copy(update={"attributes": rated.attributes.model_copy(update={"values": labels})})
    assert str(hostile.zero_shot(hostile.labels[0]).filled({"attribute": labels[0]})).count("../../x") == 1


@pytest.mark.parametrize("method", ["../../x", "..", "/tmp/x"])
def test_a_method_is_one_of_ours_before_a_folder_is_named_after_it(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        fusegen("imdb", ["gpt2"], method=method, **SMALL)
    assert files(tmp_path) == set()


def test_a_task_file_anywhere_makes_a_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    task = tmp_path / "there" / "..%2f..x .yaml"
    task.parent.mkdir()
    task.write_text(json.dumps({**imdb().model_dump(mode="json"), "gold": None}), encoding="utf-8")
    monkeypatch.chdir(here)
    run = fusegen(f"../there/{task.name}", ["gpt2"], **SMALL)
    assert run.path.resolve().parent == here / "runs"
    assert files(tmp_path / "there") == {task.name}


def test_out_is_where_the_run_goes_and_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    fusegen("imdb", ["gpt2"], out="../run", **SMALL)
    assert files(home) == set()
    (tmp_path / "a" / "full").mkdir()
    (tmp_path / "a" / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    for taken in ("../full", "../full/mine.txt"):
        with pytest.raises(UserError, match=r"choose another --out|is a file"):
            fusegen("imdb", ["gpt2"], out=taken, **SMALL)
    assert files(tmp_path / "a" / "full") == {"mine.txt"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fusegen("imdb", ["gpt2"], out=tmp_path_factory.mktemp("written") / "run", **SMALL).path


REPLACED = [
    "manifest.json", ".manifest.json.partial", "metrics.json", "rounds/00/samples.jsonl", "rounds/00/state.json",
    "rounds/00/.state.npz.partial", "dataset/train.parquet", "dataset/README.md", "dataset/.train.parquet.partial",
    "plots/cartography.png", "plots/cartography.pdf", "report.html",
]  # fmt: skip
APPENDED = ["log.txt", "rounds/00/completions/gpt2.jsonl"]


@pytest.mark.parametrize("name", REPLACED + APPENDED)
def test_a_run_that_is_a_link_elsewhere_stays_in_itself(name: str, written: Path, tmp_path: Path) -> None:
    """What a run folder's links point to is not written to."""
    shutil.copytree(written, run := tmp_path / "run")
    victim = tmp_path / "victim.json"
    victim.write_text("untouched", encoding="utf-8")
    # Something to do in every stage.
    (run / "rounds" / "00" / "SHA256SUMS").unlink()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    if name in APPENDED:
        with pytest.raises(OSError, match="symbolic links") as raised:
            fusegen("imdb", ["gpt2"], out=run, resume="always", **SMALL)
        assert refused(raised.value) == f"{run / name} is a link, and what a run writes goes through none; remove it."
    else:
        with contextlib.suppress(SynthgenError):
            fusegen("imdb", ["gpt2"], out=run, resume="always", **SMALL)
    assert victim.read_text(encoding="utf-8") == "untouched"


ALIKE = [
    ("good", "go\u200bod"), ("good", "good\u200e"), ("good", "\u2066good\u2069"), ("good", "good\ufeff"),
    ("caf\u00e9", "cafe\u0301"), ("good", "goo\u00add"), ("good", "good\u2060"),
]  # fmt: skip


@pytest.mark.parametrize("labels", ALIKE)
def test_labels_that_look_the_same_are_refused(labels: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="look the same"):
        generic_task(labels, None)
    path = tmp_path / "task.yaml"
    path.write_text(json.dumps({**pairs().model_dump(mode="json"), "labels": labels, "describe": {}}), encoding="utf-8")
    with pytest.raises(UserError, match="look the same"):
        load_task(str(path))


@pytest.mark.parametrize(
    "label", ["a\x07b", "a\x1b[31mb", "\x00", "a\x7f", "a\x85b", "\ud800", "\u200b", "\u2066\u2069"]
)
def test_labels_that_no_text_has_are_refused(label: str) -> None:
    with pytest.raises(UserError):
        generic_task((label, "other"), None)


def test_labels_of_any_script_are_taken() -> None:
    labels = ("می\u200cخواهم", "طيب", "שלום", "良い", "👩\u200d👩\u200d👧", "İstanbul", "naïve")
    assert generic_task(labels, None).labels == labels


@pytest.mark.parametrize("given", [{"about": "a\ud800b"}, {"labels": ("a\udcff", "b"), "task": ""}, {"gold": "\ud800"}])
def test_a_recipe_holds_only_what_a_file_can(given: dict[str, object]) -> None:
    with pytest.raises(UserError):
        make_recipe({"task": "imdb", **given})
