import json
from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.recipe import Recipe, make_recipe
from synthgen.runs.folder import prepare_run, read_manifest


@pytest.fixture
def recipe() -> Recipe:
    return make_recipe({"task": "imdb", "plms": ("llama2",)})


def opened(recipe: Recipe, out: Path | None, resume: str = "never") -> Path:
    manifest = {"fingerprint": recipe.fingerprint}
    with prepare_run(recipe, manifest, out=out, resume=resume) as run:  # type: ignore[arg-type]
        return run.path


def test_preparing_touches_nothing(recipe: Recipe, tmp_path: Path) -> None:
    prepare_run(recipe, {}, out=tmp_path / "run", resume="never")
    assert list(tmp_path.iterdir()) == []


def test_status_follows_the_end(recipe: Recipe, tmp_path: Path) -> None:
    for number, (error, status) in enumerate(
        [(None, "complete"), (KeyboardInterrupt, "interrupted"), (ValueError, "failed")]
    ):
        out = tmp_path / str(number)
        try:
            with prepare_run(recipe, {}, out=out, resume="never") as run:
                assert read_manifest(out)["status"] == "running"
                if error:
                    raise error
        except (KeyboardInterrupt, ValueError):
            pass
        assert read_manifest(run.path)["status"] == status


def test_another_run_is_never_overwritten(recipe: Recipe, tmp_path: Path) -> None:
    out = opened(recipe, tmp_path / "run")
    with pytest.raises(UserError, match="already holds a run; add --resume"):
        opened(recipe, out)
    other = recipe.model_copy(update={"seed": 1, "samples": 400})
    with pytest.raises(UserError, match="its samples and seed differ"):
        opened(other, out, "if-possible")
    assert opened(recipe, out, "always") == out


def test_a_folder_with_something_else_in_it_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for resume in ("never", "if-possible", "always"):
        with pytest.raises(UserError, match="holds no run"):
            opened(recipe, tmp_path, resume)
    with pytest.raises(UserError, match="is a file"):
        opened(recipe, tmp_path / "thesis.txt")


def test_nothing_to_resume_is_told(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run to resume"):
        opened(recipe, tmp_path / "new", "always")
    with pytest.raises(UserError, match="no unfinished run"):
        opened(recipe, None, "always")


def test_without_out_the_newest_unfinished_run_of_the_recipe_is_found(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = opened(recipe, None)
    assert first.parent == Path("runs")
    second = opened(recipe, None)
    assert second != first
    assert opened(recipe, None, "if-possible") not in {first, second}
    manifest = json.loads((second / "manifest.json").read_text())
    (second / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    assert opened(recipe, None, "if-possible") == second


def test_two_processes_do_not_share_a_folder(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with (
        prepare_run(recipe, {}, out=out, resume="never"),
        pytest.raises(UserError, match="Another process"),
        prepare_run(recipe, {}, out=out, resume="always"),
    ):
        pass
    assert read_manifest(out)["status"] == "complete"
