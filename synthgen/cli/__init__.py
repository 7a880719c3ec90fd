"""The command line: a few lines a command over the Python API; every error ends as one sentence."""

import errno
import os
import signal
import sys
from collections.abc import Sequence

from synthgen.errors import SynthgenError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's input is wrong, 130 interrupted."""
    from synthgen.cli.app import app

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(_bare_resume(given), prog_name="synthgen", standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except SynthgenError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _say("The disk is full; free some space and continue with --resume." if error.errno in _FULL else str(error))
        sys.exit(1)
    except Exception as error:
        code = _click_exit(error)
        if code is None:
            if os.environ.get("SYNTHGEN_DEBUG"):
                raise
            _say(f"synthgen failed unexpectedly ({type(error).__name__}: {error}); SYNTHGEN_DEBUG=1 shows where.")
            code = 1
        sys.exit(code)
    sys.exit(code or 0)


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
    sys.stderr.write(f"Error: {sentence}\n")
