from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from synthgen.cli import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run the command line in an empty folder and return what a shell would see."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Ran(int(ended.value.code or 0), shown.out, shown.err)

    return run


SCRIPTED = (
    "fusegen --task imdb --plms llama2,opt --profile pocket --engine scripted "
    "--samples 40 --rounds 1 --demos 4 --candidates 12"
).split()
