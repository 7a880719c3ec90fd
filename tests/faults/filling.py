"""Fill a disk to the last byte."""

import os
from pathlib import Path


def fill(folder: Path) -> Path:
    """Write until nothing more fits; return what was written."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError:
        return ballast
    finally:
        os.close(descriptor)
