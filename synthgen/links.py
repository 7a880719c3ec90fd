"""Files in folders that came from somebody else: no link in them leads a writer elsewhere."""

import os

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def unlinked(path: str, flags: int) -> int:
    """Open for ``open(..., opener=unlinked)``. Raises ``OSError`` (``ELOOP``) where ``path`` is a symbolic link."""
    return os.open(path, flags | _NO_FOLLOW, 0o666)
