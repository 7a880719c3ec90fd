"""Blocks that no test runs are still parsed, and do not grow unnoticed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from doc_blocks import COMMANDS, Block, blocks
from test_documents import DOCUMENTS, RUN
from workplace import ROOT

from synthgen.cli.app import app

NOT_RUN = 16
"""Blocks marked ``not run`` in all documents together. Change it only with a reason to give for the new one."""
KNOWN = {*COMMANDS, "python", "yaml", "diff", "text", "bibtex", "json"}
SKIPPED = [one for path in DOCUMENTS for one in blocks(path) if one.not_run]
FOLDERS = ("recipes/", "prompts/", "docs/", "tools/", "benchmarks/", "notebooks/", "tests/")


def test_the_number_of_blocks_that_are_not_run_is_known() -> None:
    assert len(SKIPPED) == NOT_RUN, "\n".join(f"{one.place}: {one.not_run}" for one in SKIPPED)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_block_says_what_it_is(path: Path) -> None:
    for block in blocks(path):
        assert block.language in KNOWN, f"{block.place}: tests do not know {block.language!r}"
        if block.language in COMMANDS and not block.not_run:
            words = {step.command.split()[0] for step in block.steps()}
            known = {"synthgen", "python", "cat", "head", "export"}
            assert words <= known, f"{block.place}: {words - known} are no commands the tests run; output is ```text"
        wanted = {"file": {"yaml", "json", "text", "python"}, "exits": RUN, "run with": COMMANDS}
        for kind, languages in wanted.items():
            assert kind not in block.marks or block.language in languages, f"{block.place}: no place for {kind!r}"


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.place)
def test_what_is_not_run_could_be_run(block: Block) -> None:
    assert block.not_run
    assert len(block.not_run.split()) >= 2, "say why"
    if block.language == "python":
        compile(block.text, block.place, "exec")
        return
    for step in block.steps():
        for words in commands_of(step.command):
            check(words, block.place)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), f"{path.name}: {target}"
        if heading:
            assert heading in headings(found), f"{path.name}: {target}"


def headings(path: Path) -> set[str]:
    """Return a document's headings as links spell them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def commands_of(line: str) -> list[list[str]]:
    """Cut a line of shell into its commands' words."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in reader:
        if set(word) <= set(";|&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def check(words: list[str], place: str) -> None:
    """Assert that a command could be run as far as its words say: options, files and targets exist."""
    while "=" in words[0]:
        words = words[1:]
    name, *rest = words
    for word in rest:
        if word.startswith(FOLDERS):
            assert (ROOT / word).exists(), f"{place}: {word}"
    match name:
        case "synthgen":
            parse(rest, place)
        case "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert set(rest) <= set(targets), f"{place}: {words}"
        case "pip":
            extras = re.findall(r"synthgen\[(\w+)\]", " ".join(rest))
            known = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            assert all(f"\n{extra} = [" in known for extra in extras), f"{place}: {words}"
        case _:
            assert name in {"python", "export", "hf", "jupyter", "vllm", "git", "curl"}, f"{place}: {name}"


def parse(words: list[str], place: str) -> None:
    """Let the command line's own parser read the words, without running anything."""
    command: Any = typer.main.get_command(app)
    while getattr(command, "commands", None):
        assert words, place
        assert words[0] in command.commands, f"{place}: synthgen has no {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context("synthgen", [word for word in words if word != "…"])
