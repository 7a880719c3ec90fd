"""Files that are either whole or absent, whatever dies while they are written; and how damage to them is found."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from synthgen.errors import UserError

SUMS = "SHA256SUMS"
"""The file that ``seal`` writes: ``sha256sum --check SHA256SUMS`` reads it too."""


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to be written beside ``path``; at the end it is forced to the disk and renamed over ``path``.

    After a failure, or a crash of the machine, ``path`` is as it was. An ``OSError`` names ``path``, and leaves nothing
    of what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path, partial):
            # What is there of that name is left over from a crash, or a link that somebody has put there.
            partial.unlink(missing_ok=True)
            with partial.open("xb") as file:
                yield file
                file.flush()
                # Before it takes the name: or a power cut may leave an empty file of that name.
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def naming(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Name ``path`` in an ``OSError`` that names no file, as that of a full disk does, or names ``partial``."""
    try:
        yield
    except OSError as error:
        if error.filename in {None, str(partial)}:
            error.filename, error.filename2 = str(path), None
        raise


def sync_folder(folder: Path) -> None:
    """Force a folder's list of files to the disk, where its file system knows how."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data``, atomically."""
    with writing(path) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically; one row is held at a time."""
    with writing(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def object_of(path: Path) -> dict[str, Any] | None:
    """Return the JSON object that a file holds, None where what it holds is none. Raises as opening it does."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file, one a line. Raises ``UserError`` where a line is none."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise damaged(path, f"line {number} is no JSON object")
            yield row


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Return all that ``rows_of`` yields."""
    return list(rows_of(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, which may be longer than the memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, names: Iterable[str]) -> None:
    """Write ``SHA256SUMS``: what the files ``names`` of the ``folder`` are now. A name may lead into a folder of it."""
    lines = (f"{digest(folder / name)}  {name}\n" for name in sorted(names))
    write_bytes(folder / SUMS, "".join(lines).encode())


def intact(folder: Path, names: Iterable[str]) -> bool:
    """Tell whether all of ``names`` were sealed and are as they were."""
    held = _sums(folder)
    return all((folder / name).is_file() and held.get(name) == digest(folder / name) for name in names)


def check(folder: Path, names: Iterable[str] | None = None) -> None:
    """Raise ``UserError`` naming the first of ``names`` (all) that was sealed and is another now, or gone.

    What was never sealed passes: folders of older versions have no ``SHA256SUMS``.
    """
    held = _sums(folder)
    for name in held if names is None else names:
        if name in held and not ((folder / name).is_file() and held[name] == digest(folder / name)):
            raise damaged(folder / name, f"it is not what {SUMS} there says")


def damaged(path: Path, why: str) -> UserError:
    """Return the error for a file of a run that is not as it was written."""
    return UserError(f"{path} is damaged ({why}); resume the run to write it anew.")


def _sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
