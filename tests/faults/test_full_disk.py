"""A disk that is full, at whatever is being written, is one sentence; when there is room the run goes on."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filling import fill
from nursery import Ended, Nursery, dataset_of
from preludes import NO_REPORT, when_opened
from small_disk import small_disk

from synthgen.errors import refused
from synthgen.runs.files import write_jsonl

FULL = re.compile(r"The disk that holds (\S+) is full \(([\w ]+)\); free some space and go on with --resume\.")
NAMES = ["completions/llama2.jsonl", "01/.samples.jsonl", ".rejected.jsonl", ".dynamics.parquet", ".train.parquet"]
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1))"


def told(ended: Ended, why: str) -> str:
    """Return the path that the error names."""
    assert ended.code == 1, ended.err
    said = FULL.fullmatch(ended.sentence)
    assert said, ended.err
    assert said[2] == why
    return said[1]


def finish(nursery: Nursery, recipe: Path, out: Path, dataset: str) -> None:
    assert list(out.rglob("*.partial")) == []
    again = nursery.run("run", recipe, "--out", out, "--resume", "if-possible", prelude=NO_REPORT)
    assert again.code == 0, again.err
    assert dataset_of(out) == dataset


@pytest.mark.parametrize("name", [*NAMES, ".recipe.yaml", ".metrics.json"])
def test_full_when_something_is_written(
    name: str, nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        out = disk.path / "run"
        filled = f"from pathlib import Path\nfrom filling import fill\nfill(Path({str(disk.path)!r}))"
        ended = nursery.run("run", recipe, "--out", out, prelude=NO_REPORT + when_opened(name, filled))
        assert told(ended, "No space left on device").startswith(str(out))
        # Nor can it go on while nothing was freed; and it says the same of that.
        fill(disk.path)
        told(nursery.run("run", recipe, "--out", out, "--resume", "if-possible"), "No space left on device")
        (disk.path / "ballast").unlink()
        finish(nursery, recipe, out, dataset)


@pytest.mark.parametrize("name", [*NAMES, "report.html"])
def test_a_limit_of_the_size_of_files(name: str, nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    prelude = "" if name == "report.html" else NO_REPORT
    ended = nursery.run("run", recipe, "--out", out, prelude=prelude + when_opened(name, LIMIT))
    assert told(ended, "File too large").startswith(str(out))
    finish(nursery, recipe, out, dataset)


def test_rows_that_fail_half_way_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"old": 1}])

    def rows(error: BaseException) -> Iterator[dict[str, Any]]:
        yield {"new": 1}
        raise error

    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()):
        with pytest.raises(type(error)) as raised:
            write_jsonl(path, rows(error))
        assert [one.name for one in tmp_path.iterdir()] == [path.name]
        assert path.read_text() == '{"old": 1}\n'
        if isinstance(raised.value, OSError):
            assert told(Ended(1, "", f"Error: {refused(raised.value)}"), "No space left on device") == str(path)
