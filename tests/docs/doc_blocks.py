"""The fenced blocks of a Markdown file, with what the comments before them ask of the tests.

<!-- before: COMMAND -->       run COMMAND first; the reader is assumed to have done something like it
<!-- run with: OPTIONS -->     add OPTIONS to the commands that write texts, so that they are done in seconds
<!-- exits 2 -->               every command of the block ends with this exit code
<!-- not run: REASON -->       cannot run in a test: is only parsed, and counted
<!-- file: NAME -->            the block is a file of that name, which later commands use
"""

import re
from dataclasses import dataclass
from pathlib import Path

COMMANDS = {"", "bash", "sh", "console"}
"""Languages of blocks whose lines are commands; anything else that is only to be read says ``text``."""

_FENCE = re.compile(r"^ *```(\w*)\s*$")
_COMMENT = re.compile(r"^ *<!-- *(before|run with|exits|not run|file):? +(.+?) *-->\s*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what is shown below it; None where nothing is."""

    command: str
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block and the ``marks`` before it, by their kind."""

    document: str
    line: int
    language: str
    text: str
    marks: dict[str, list[str]]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.document}:{self.line}"

    @property
    def not_run(self) -> str | None:
        """Why the tests do not run it; None where they do."""
        return next(iter(self.marks.get("not run", ())), None)

    @property
    def exits(self) -> int:
        """The exit code that its commands end with."""
        return int(next(iter(self.marks.get("exits", ())), 0))

    def steps(self) -> list[Step]:
        """Return its commands: every line, or those after a ``$`` with what stands below each."""
        if self.language == "console":
            asked = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
            if asked[0].strip():
                raise ValueError(f"{self.place}: a console block begins with a $")
            return [_step(one) for one in asked[1:]]
        joined = self.text.replace("\\\n", " ")
        lines = (line.strip() for line in joined.splitlines())
        return [Step(line) for line in lines if line and not line.startswith("#")]


def _step(text: str) -> Step:
    command, _, shown = text.partition("\n")
    return Step(command, shown if shown.strip() else None)


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a Markdown file in their order. Raises ``ValueError`` for one that never ends."""
    found: list[Block] = []
    marks: dict[str, list[str]] = {}
    language, start, inside = "", 0, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is not None:
            if fence and not fence[1]:
                text = "".join(f"{one}\n" for one in inside)
                found.append(Block(path.name, start, language, text, marks))
                marks, inside = {}, None
            else:
                inside.append(line)
        elif fence:
            language, start, inside = fence[1], number, []
        elif comment := _COMMENT.match(line):
            marks.setdefault(comment[1], []).append(comment[2])
        elif line.strip():
            marks = {}
    if inside is not None:
        raise ValueError(f"{path.name}:{start}: this block never ends")
    return found
