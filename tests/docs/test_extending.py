"""docs/extending.md: its diffs are applied to a copy of the repository, in their order, and its commands run there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from doc_blocks import Block, blocks
from workplace import PATIENCE, ROOT, lay_out

DOCUMENT = ROOT / "docs" / "extending.md"
PARTS = ("synthgen", "prompts", "recipes", "tests", "pyproject.toml")


def test_what_the_diffs_add_works(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    lay_out(copy, links=())
    for part in PARTS:
        where = ROOT / part
        copied = shutil.copytree if where.is_dir() else shutil.copy2
        copied(where, copy / part)
    shell = Shell(copy)
    for block in blocks(DOCUMENT):
        if block.language == "diff":
            shell.apply(block)
        elif name := next(iter(block.marks.get("file", ())), None):
            (copy / name).write_text(block.text, encoding="utf-8")
        else:
            for step in block.steps():
                shell.run(step.command, block.place)


class Shell:
    """Runs commands in the copy, with the package that is there; what one line exports the next ones have."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy
        home = copy.parent / "home"
        home.mkdir()
        programs = copy.parent / "bin"
        programs.mkdir()
        (programs / "synthgen").write_text(f'#!/bin/sh\nexec {sys.executable} -m synthgen "$@"\n', encoding="utf-8")
        (programs / "synthgen").chmod(0o755)
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {
            "OMP_NUM_THREADS": "1",
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "HF_HUB_OFFLINE": "1",
        }
        self._environment |= {"PATH": path, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}

    def apply(self, block: Block) -> None:
        """Apply a diff, which must fit the files as they are now, but for line numbers."""
        # Inside a repository git would take the paths for those of its own tree.
        unborn = self._environment | {"GIT_CEILING_DIRECTORIES": str(self._copy.parent)}
        done = subprocess.run(
            ["git", "apply", "-"],
            cwd=self._copy,
            env=unborn,
            input=block.text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"

    def run(self, command: str, place: str) -> None:
        """Run one line of bash."""
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self._environment[name] = value.strip('"')
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._copy,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{place}: {command}\n{done.stdout}\n{done.stderr}"
