"""A mistake in a task file, and where it stands."""

from dataclasses import dataclass
from typing import Literal

LONGEST = 600
"""Characters of what is said of one mistake."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, in one sentence without its full stop, and where; ``line`` and ``column`` count from 1.

    A file with errors is refused; a warning says what may have been meant otherwise.
    """

    line: int
    column: int
    said: str
    severity: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        # What it quotes is a user's: line breaks and terminal escapes, or a text of any length.
        plain = "".join(sign if sign.isprintable() else " " for sign in self.said).strip()
        object.__setattr__(self, "said", plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…")

    @property
    def at(self) -> str:
        """Return the place in words."""
        return f"line {self.line}, column {self.column}"

    @property
    def sentence(self) -> str:
        """Return the place and what is wrong there."""
        return f"{self.at}: {self.said}{'' if self.said.endswith('?') else '.'}"


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return each problem once, by its place."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))


def errors(problems: list[Problem]) -> list[Problem]:
    """Return those that a file is refused for."""
    return [problem for problem in problems if problem.severity == "error"]
