"""Whatever fails while private texts are held must not carry them out in its message."""

from collections.abc import Callable
from typing import TypeVar

from synthgen.errors import SynthgenError

T = TypeVar("T")


def sealed(doing: str, work: Callable[[], T]) -> T:
    """Return ``work()``; any unforeseen error becomes one that says only what was being done and the kind of error.

    Errors in the user's words pass: they are written without quoting a text.
    """
    try:
        return work()
    except SynthgenError as error:
        meant: SynthgenError = type(error)(str(error))
    except Exception as error:
        kind = type(error).__name__
        meant = SynthgenError(
            f"{doing} failed ({kind}); what the error said is withheld, as it may quote a private text."
        )
    # Raised outside the handler, so that neither the chain of errors nor its frames lead to the text.
    raise meant
