"""Errors in the user's words; the command line turns each into one sentence and an exit code."""

from collections.abc import Iterator


class SynthgenError(Exception):
    """Something failed that is nobody's typing mistake (exit code 1)."""

    exit_code = 1


class UserError(SynthgenError):
    """The user's input is wrong; the message says what to do instead (exit code 2)."""

    exit_code = 2


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it came of."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and one not in seen:
            seen.append(one)
            yield one
            waiting += [one.__cause__, one.__context__]
