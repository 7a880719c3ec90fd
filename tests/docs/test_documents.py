"""README.md and docs/*.md: every command block is run, in the order of its document, offline and from an empty home."""

from pathlib import Path

import pytest
from doc_blocks import COMMANDS, Block, blocks
from shown import difference
from workplace import ROOT, Workplace

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = {*COMMANDS, "python"}
ELSEWHERE = {"extending.md"}
"""Run by a test of its own."""


def to_run(path: Path) -> list[Block]:
    return [one for one in blocks(path) if "file" in one.marks or (one.language in RUN and not one.not_run)]


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.name not in ELSEWHERE and to_run(path)], ids=lambda path: path.stem
)
def test_the_commands_of_a_document_do_what_it_says(path: Path, workplace: Workplace) -> None:
    python = ""
    for block in to_run(path):
        for command in block.marks.get("before", ()):
            prepared = workplace.shell(command)
            assert prepared.code == 0, f"{block.place}: {command}\n{prepared.text}"
        if name := next(iter(block.marks.get("file", ())), None):
            (workplace.folder / name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            # A document's Python goes on where its last block ended.
            python += workplace.bound(block.text)
            (workplace.folder / "block.py").write_text(python, encoding="utf-8")
            ran = workplace.shell("python block.py")
            assert ran.code == block.exits, f"{block.place}\n{ran.text}"
        else:
            run_commands(block, workplace)


def run_commands(block: Block, workplace: Workplace) -> None:
    for step in block.steps():
        ran = workplace.run(block, step)
        said = f"{block.place}: {step.command}\nexit code {ran.code}\n{ran.text}"
        assert ran.code == block.exits, said
        if step.shown is not None:
            wrong = difference(step.command, step.shown, ran.text)
            assert wrong is None, f"{wrong}\n{said}"
