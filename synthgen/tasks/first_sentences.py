"""The sentences that are given in tasks of pairs: from a user's file, or from gold's train split without its labels."""

from collections.abc import Iterator
from pathlib import Path

from synthgen.errors import UserError
from synthgen.tasks.gold import train_texts
from synthgen.tasks.gold_files import open_rows
from synthgen.tasks.labelled import file_lines, text_of
from synthgen.tasks.task import Task


def read_first_sentences(source: str, task: Task) -> tuple[str, ...]:
    """Return different sentences, in their order: ``gold``, or a file of lines (``.txt``) or of rows (``open_rows``).

    Each is on one line and without the double quotes that it will stand between in a prompt.
    Of a row the task's field is taken (``text`` or ``text_pair``), or ``text`` where it has not that. Raises
    ``UserError`` where the file is empty or damaged, and where gold's train split cannot be had.
    """
    if task.first is None:
        raise ValueError(f"task {task.name} has no pairs")
    if source == "gold":
        return tuple(dict.fromkeys(map(quotable, train_texts(task))))
    path = Path(source)
    lines = path.name.removesuffix(".gz").endswith(".txt")
    found = tuple(dict.fromkeys(map(quotable, _lines(path) if lines else _of_rows(path, task.first.field))))
    if not found:
        raise UserError(f"First-sentence file {path.name} is empty; it needs one sentence a line.")
    return found


def quotable(sentence: str) -> str:
    """Return a sentence as it can stand in a prompt: on one line, its double quotes single ones."""
    return " ".join(sentence.replace('"', "'").split())


def _of_rows(path: Path, field: str) -> Iterator[str]:
    file = open_rows(path, "first-sentence")
    if file.columns is not None and not {field, "text"} & set(file.columns):
        raise UserError(f"First-sentence file {path.name} has no column text; name the sentences' column so.")
    for where, row in file.rows:
        yield text_of(row, field if field in row else "text", where)


def _lines(path: Path) -> Iterator[str]:
    for number, line in enumerate(file_lines(path, "first-sentence"), start=1):
        try:
            sentence = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise UserError(
                f"Line {number} of first-sentence file {path.name} is not UTF-8; save the file as UTF-8."
            ) from None
        if sentence:
            yield sentence
