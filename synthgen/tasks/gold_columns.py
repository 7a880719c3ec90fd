"""Which columns of gold data are the texts, the second sentences and the labels."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import UserError
from synthgen.tasks.labelled import text_of
from synthgen.tasks.schema import GoldSource


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; several of ``text`` are one text, joined by a space."""

    text: tuple[str, ...] = ("text",)
    label: str = "label"
    text_pair: str | None = "text_pair"

    def text_in(self, row: Mapping[str, Any], where: str) -> str:
        """Return a row's text. Raises ``UserError``, which begins with ``where``, where it has none.

        Of several columns some may be blank.
        """
        return joined(row, self.text, where)

    def check(self, have: Collection[str], place: str, *, secret: bool = False) -> None:
        """Raise ``UserError`` where a column of these is not among ``have``; where ``secret`` it does not name them."""
        wanted = [*self.text, self.label, *([self.text_pair] if self.text_pair else [])]
        missing = [name for name in wanted if name not in have]
        if missing:
            shown = "" if secret else f" it has {', '.join(_short(name) for name in [*have][:20])};"
            other = "" if secret else ", or say under gold in the task's file what they are called"
            raise UserError(
                f"The {place} has no column {' and '.join(missing)};{shown} call its columns text and label{other}."
            )


def joined(row: Mapping[str, Any], names: Collection[str], where: str) -> str:
    """Return the texts of the named columns, joined by a space. Raises ``UserError`` where they are no texts."""
    if len(names) == 1:
        (name,) = names
        return text_of(row, name, where)
    parts = [text_of(row, name, where) for name in names if row.get(name) is not None and row[name] != ""]
    if not parts:
        raise UserError(f"{where} has neither {' nor '.join(names)}; give every row a text.")
    return " ".join(parts)


def columns_of(source: GoldSource) -> Columns:
    """Return the columns as a task names them."""
    return Columns((source.text,) if isinstance(source.text, str) else source.text, source.label, source.text_pair)


def columns_among(have: Collection[str], source: GoldSource | None) -> Columns:
    """Return the columns of a file: ``text``, ``label``, ``text_pair``; where it has not one of them, the task's."""
    ours = Columns()
    theirs = columns_of(source) if source else ours
    pair = [name for name in (ours.text_pair, theirs.text_pair) if name in have]
    return Columns(
        theirs.text if ours.text[0] not in have and set(theirs.text) <= set(have) else ours.text,
        theirs.label if ours.label not in have and theirs.label in have else ours.label,
        pair[0] if pair else None,
    )


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
