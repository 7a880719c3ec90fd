"""A task file to start from, with a comment beside everything that is to be decided."""

from collections.abc import Sequence
from pathlib import Path
from string import Template

import yaml

from synthgen.errors import UserError
from synthgen.tasks.generic import generic_task

_HERE = Path(__file__).resolve().parent


def scaffold(file: Path, labels: Sequence[str], about: str, *, pairs: bool) -> str:
    """Return a task file for these labels that passes the check. Raises ``UserError`` for labels that make no task."""
    task = generic_task(labels, about)
    # Quotes and braces in a user's words would end a prompt, or look like a slot.
    plain = "".join(sign if sign.isprintable() else " " for sign in task.about)
    words = plain.translate(str.maketrans('"{}\\', "'()/"))
    template = (_HERE / f"scaffold{'_pairs' if pairs else ''}.txt").read_text(encoding="utf-8")
    return Template(template).substitute(
        file=file,
        name=_quoted(file.stem),
        about=_quoted(task.about),
        kind=words,
        labels=", ".join(map(_quoted, task.labels)),
    )


def _quoted(text: str) -> str:
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000)
    return dumped.rstrip("\n")


def write_scaffold(file: Path, labels: Sequence[str], about: str, *, pairs: bool) -> None:
    """Write the file. Raises ``UserError`` where something stands there already, or no file can stand there."""
    if file.suffix not in {".yaml", ".yml"}:
        raise UserError(f"A task file ends in .yaml; call it {file.with_suffix('.yaml')}.")
    data = scaffold(file, labels, about, pairs=pairs).encode(errors="replace")
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except FileExistsError:
        raise UserError(f"{file} is there already; choose another name, or delete it first.") from None
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.") from None
