"""Every help text stands on its own: what a command does, an example that the parser takes, words explained."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from synthgen.cli import _bare_resume
from synthgen.cli.app import app

EXPLAINED = {
    "PLM": "re-trained language model",
    "STM": "mall task model",
    "gold": "real labelled texts",
}
"""A word, and what must stand somewhere in the same help."""
ELSEWHERE = {"gold"}
"""Explained in the help of the commands that take it; a word in passing needs no more than plain English."""


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    yield " ".join(path), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app)))
EACH = pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name or "synthgen")


def told(command: Any) -> str:
    helps = [getattr(parameter, "help", None) or "" for parameter in command.params]
    return " ".join([command.help or "", *helps])


@EACH
def test_every_command_and_every_option_is_explained(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    first = command.help.split("\n\n")[0]
    assert first.endswith((".", ":")), first
    for parameter in command.params:
        assert parameter.help, f"{name} {parameter.name}"
        assert parameter.help[0].isupper(), parameter.help
        assert parameter.help.endswith("."), parameter.help


@EACH
def test_no_abbreviation_is_left_unexplained(name: str) -> None:
    command = COMMANDS[name]
    text = told(command)
    for word, meaning in EXPLAINED.items():
        takes = any(parameter.name == word for parameter in command.params if word in ELSEWHERE)
        if takes or (word not in ELSEWHERE and re.search(rf"\b{word}s?\b", text)):
            assert meaning in text, f"{name}: {word}"


@EACH
def test_every_example_is_one_that_the_parser_takes(name: str) -> None:
    text = COMMANDS[name].help
    examples = re.findall(r"^Example: (.+)$", text, flags=re.MULTILINE)
    assert len(examples) == 1, text
    program, *words = shlex.split(examples[0])
    assert program == "synthgen"
    assert " ".join(words).startswith(name)
    command: Any = COMMANDS[""]
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("synthgen", _bare_resume(words))
