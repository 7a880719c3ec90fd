"""Errors in the user's words; the command line turns each into one sentence and an exit code."""

import errno
from collections.abc import Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM}


LONGEST = 1_000
"""Characters of a sentence: what it quotes may be of any length."""


class SynthgenError(Exception):
    """Something failed that is nobody's typing mistake (exit code 1).

    As a string it is one line that any terminal and file can show, whatever of a user's or a server's it quotes.
    """

    exit_code = 1

    def __str__(self) -> str:
        said = "".join(sign if sign.isprintable() else " " for sign in super().__str__()).strip()
        half = LONGEST // 2
        return said if len(said) <= LONGEST else f"{said[:half]}…{said[-half:]}"


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


def refused(error: BaseException) -> str | None:
    """Return one sentence where the machine refused disk, memory or a file; None where ``error`` is something else.

    A full disk and a lack of memory are also found where a library made another error of them.
    """
    for one in causes(error):
        if isinstance(one, OSError) and one.errno in _FULL:
            where = f"The disk that holds {one.filename}" if one.filename else "The disk"
            return f"{where} is full ({one.strerror}); free some space and go on with --resume."
        if isinstance(one, MemoryError) or "out of memory" in str(one).lower() or "allocate memory" in str(one):
            said = " ".join(str(one).split()) or "nothing was left"
            return (
                f"There is not enough memory ({said[:200]}); free some and go on with --resume, or choose a smaller "
                "--stm or fewer samples and another --out."
            )
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ELOOP:
        return f"{error.filename} is a link, and what a run writes goes through none; remove it."
    if error.errno == errno.EROFS:
        return f"{error.filename or 'The disk'} is on a disk that is read-only; choose another --out."
    if error.errno in _DENIED and error.filename:
        return f"{error.filename} may not be opened ({error.strerror}); change its permissions or name another place."
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error}."
