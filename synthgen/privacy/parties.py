"""The private samples, one party a file: read and turned into embeddings; the texts stay here, in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import UserError
from synthgen.privacy.sealed import sealed
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy
from synthgen.tasks.gold import Gold, read_labelled
from synthgen.tasks.registry import task_with_labels

if TYPE_CHECKING:
    from synthgen.embedders.base import Embedder

MOST_LABELS = 150
LONGEST_LABEL = 60
FEW = 4
"""Private samples a label below which a user is warned."""


@dataclass(frozen=True, slots=True)
class Records:
    """All private samples: quantised ``embeddings`` (m, d), ``labels`` (m,) as label ids, ``party`` (m,), ``texts``.

    Its ``repr`` shows nothing.
    """

    embeddings: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    party: NDArray[np.int64] = field(repr=False)
    n_parties: int = field(repr=False)
    texts: tuple[str, ...] = field(repr=False, default=())


def private_labels(paths: Sequence[str]) -> list[str]:
    """Return the label names in the private files, sorted. Raises ``UserError`` where there are fewer than two."""
    found: Counter[str] = Counter()
    for path in paths:
        found.update(_read(path, None).labels)
    if len(found) < 2:
        raise UserError("The private samples have one label only; a task needs at least two.")
    # Label names become public: what looks like a text, or belongs to one record, must not slip through.
    if len(found) > MOST_LABELS or max(map(len, found)) > LONGEST_LABEL or min(found.values()) == 1:
        raise UserError(
            "The labels of the private samples may tell of single ones (one occurs once or is very long, or there are "
            f"more than {MOST_LABELS}); name them yourself with --task or --labels."
        )
    return sorted(found)


def task_told(paths: Sequence[str], about: str | None) -> dict[str, Any]:
    """Return the settings ``task`` or ``labels`` that the labels of the private files tell; ``about`` rules a task out.

    Raises as ``private_labels`` does.
    """
    names = private_labels(paths)
    found = None if about else task_with_labels(names)
    return {"task": found} if found else {"labels": tuple(names)}


def read_records(
    paths: Sequence[str], labels: Sequence[str], embedder: "Embedder", *, known: Sequence[str] | None = None
) -> Records:
    """Read every party's file and embed each text by itself. Raises ``UserError`` for what is wrong with a file.

    Label ids in a file are positions in ``known``, where the task's ``labels`` are only some of a dataset's.

    Each row depends on its own text alone, so that no record can change another one's votes.
    """
    rows, ids, party, texts = [], [], [], list[str]()
    for number, path in enumerate(paths):
        read = _read(path, known or labels)
        if not set(read.labels) <= set(labels):
            raise UserError(
                f"Private file {Path(path).name} has labels that the task does not have; its labels are "
                f"{', '.join(labels[:20])}."
            )
        rows.append(sealed("Embedding the private samples", partial(_embedded, read, embedder)))
        ids += [labels.index(label) for label in read.labels]
        party += [number] * len(read.labels)
        texts += read.whole
    return Records(np.concatenate(rows), np.array(ids), np.array(party), len(paths), tuple(texts))


def check_records(records: Records, labels: Sequence[str], privacy: Privacy) -> list[str]:
    """Return what the owner of the private samples should hear, and nobody else: it tells of their number.

    Raises ``UserError`` where delta would let a whole record be given away.
    """
    count, delta = len(records.labels), privacy.delta
    if delta >= 1 / count:
        raise UserError(
            f"A delta of {delta:g} allows to give away one of {count} private samples; take one below {1 / count:.2g}."
        )
    held = Counter(records.labels.tolist())
    notes = []
    if 10 * delta * count > 1:
        notes.append(f"A delta of {delta:g} is much for {count} private samples; {0.1 / count:.1g} or less is usual.")
    if absent := [label for number, label in enumerate(labels) if not held[number]]:
        shown = ", ".join(absent[:5]) + (" …" if len(absent) > 5 else "")
        notes.append(f"No private sample is labelled {shown}: what is shown there is chosen by noise alone.")
    if privacy.enabled and (few := [label for number, label in enumerate(labels) if 0 < held[number] < FEW]):
        notes.append(f"Fewer than {FEW} private samples are labelled {', '.join(few[:5])}: their votes drown in noise.")
    again = count - len(np.unique(records.embeddings, axis=0))
    if again:
        notes.append(
            f"{again} of the private samples repeat{'s' if again == 1 else ''} another one; each of them votes."
        )
    return notes


def _read(path: str, labels: Sequence[str] | None) -> Gold:
    return sealed("Reading the private samples", lambda: read_labelled(Path(path), labels, what="private", secret=True))


def _embedded(read: Gold, embedder: "Embedder") -> NDArray[np.float32]:
    return quantised(embedder.encode(read.whole, alone=True))
