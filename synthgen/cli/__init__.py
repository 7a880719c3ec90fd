"""The command line: a few lines a command over the Python API; every error ends as one sentence."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from synthgen.errors import SynthgenError, refused

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""The exit code, whichever of them it was: ``--resume`` goes on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's input is wrong, 130 interrupted.

    SIGTERM and SIGHUP are taken as Ctrl-C is. A second one of any of them ends the process at once.
    """
    ends = _Ends()
    given = list(sys.argv[1:] if arguments is None else arguments)
    code: int | None
    try:
        from synthgen.cli.app import app

        code = app(_bare_resume(given), prog_name="synthgen", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SynthgenError as error:
        _say(str(error))
        code = error.exit_code
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _click_exit(error)
        if code is None:
            code = 1
            sentence = refused(error)
            if sentence is None and os.environ.get("SYNTHGEN_DEBUG"):
                raise
            _say(
                sentence
                or f"synthgen failed unexpectedly ({type(error).__name__}: {error}); SYNTHGEN_DEBUG=1 shows where."
            )
    sys.exit(ends.code or code or 0)


class _Ends:
    """What the signals that end a process do: the first one is an interrupt, which closes everything in order."""

    def __init__(self) -> None:
        self.code = 0
        for number in _ENDS:
            # What is ignored (nohup, a background job of a script) stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._first)

    def _first(self, number: int, frame: FrameType | None) -> NoReturn:
        self.code = INTERRUPTED
        for end in _ENDS:
            if signal.getsignal(end) is not signal.SIG_IGN:
                signal.signal(end, _second)
        raise KeyboardInterrupt


def _second(number: int, frame: FrameType | None) -> NoReturn:
    # Files are whole or absent, and servers of ours die with us.
    os._exit(INTERRUPTED)


def _bare_resume(arguments: list[str]) -> list[str]:
    """Read ``--resume`` without a value as ``--resume always``."""
    values = {"never", "if-possible", "always"}
    read: list[str] = []
    for position, word in enumerate(arguments):
        read.append(word)
        if word == "--resume" and (position + 1 == len(arguments) or arguments[position + 1] not in values):
            read.append("always")
    return read


def _click_exit(error: Exception) -> int | None:
    """Show a usage error of the parser and return its exit code; None for any other error."""
    code = getattr(error, "exit_code", None)
    message = getattr(error, "format_message", None)
    if code is None or message is None:
        return None
    _say(" ".join(str(message()).split()) + " See --help.")
    return int(code)


def _say(sentence: str) -> None:
    sys.stderr.write(f"Error: {SynthgenError(sentence)}\n")
