"""Where nothing may be written, one sentence says so, and what is there stays as it is."""

from pathlib import Path

from nursery import Nursery, dataset_of
from preludes import MORTAL, NO_REPORT, when_opened
from small_disk import small_disk


def test_a_read_only_disk(nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        out = disk.path / "run"
        assert nursery.run("run", recipe, "--out", out, prelude=NO_REPORT).code == 0
        assert disk.mount("remount,ro")
        for where in (disk.path / "new", out):
            ended = nursery.run("run", recipe, "--out", where, "--resume", "if-possible")
            assert ended.code == 1
            assert ended.sentence.startswith(str(where))
            assert ended.sentence.endswith("is on a disk that is read-only; choose another --out.")
        assert dataset_of(out) == dataset


def test_a_folder_that_may_not_be_written(nursery: Nursery, recipe: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    ended = nursery.run("run", recipe, "--out", tmp_path / "run", prelude=MORTAL)
    assert ended.code == 1
    assert ended.sentence == (
        f"{tmp_path / 'run'} may not be opened (Permission denied); change its permissions or name another place."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_becomes_read_only(nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # Another's umask, another's clean-up: rounds/ no longer takes what is new.
    closing = f"os.chmod({str(out / 'rounds' / '00')!r}, 0o555)"
    prelude = MORTAL + NO_REPORT + when_opened("completions/opt.jsonl", closing)
    ended = nursery.run("run", recipe, "--out", out, prelude=prelude)
    assert ended.code == 1
    assert ended.sentence.startswith(f"{out}/rounds/00/")
    assert "may not be opened (Permission denied)" in ended.sentence
    (out / "rounds" / "00").chmod(0o755)
    assert nursery.run("run", recipe, "--out", out, "--resume", prelude=NO_REPORT).code == 0
    assert dataset_of(out) == dataset


def test_the_superuser_is_bound_too(nursery: Nursery, tmp_path: Path) -> None:
    """The tests above would say nothing if ``MORTAL`` did not bind one who may do everything."""
    tmp_path.chmod(0o555)
    trying = f"\nimport os\nos.open({str(tmp_path / 'x')!r}, os.O_WRONLY | os.O_CREAT)"
    ended = nursery.run("--version", prelude=MORTAL + trying)
    assert "PermissionError" in ended.err
    assert list(tmp_path.iterdir()) == []
