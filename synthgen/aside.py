"""What is put aside while a process lives: in memory while it is little, then in a temporary file that has no name."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile, gettempdir
from weakref import finalize

from synthgen.errors import SynthgenError


def file_of(owner: object, most: int) -> "SpooledTemporaryFile[bytes]":
    """Return a file that is in memory up to ``most`` bytes, and closed with its ``owner``."""
    file = SpooledTemporaryFile(max_size=most)  # noqa: SIM115, it lives as long as its owner does
    finalize(owner, file.close)
    return file


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Write to such a file. Raises ``SynthgenError`` where there is no room for ``what``."""
    try:
        yield
    except OSError as error:
        raise SynthgenError(
            f"{what} find no room in {gettempdir()} ({error.strerror}); make room there, or set TMPDIR to another "
            "folder."
        ) from error
