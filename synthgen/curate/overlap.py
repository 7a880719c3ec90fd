"""Which texts overlap others: synthetic samples with a gold test set, or with private records."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from synthgen.curate.grams import Grams, Lines, Numbers
from synthgen.curate.similar import Similar
from synthgen.curate.words import words
from synthgen.errors import SynthgenError, UserError

_SHORTEST = 8
_BATCH = 1 << 17
_BLOCK = 3_000_000


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which texts overlap others, rows ascending: by a run of words, or as near duplicates.

    A row is in one of them, runs first.
    """

    run: tuple[int, ...]
    near: tuple[int, ...]


def overlaps(texts: Iterable[str], others: Iterable[str], *, run: int = 13, near: float = 0.8) -> Overlap:
    """Return which of ``texts`` overlap one of ``others``, in any order.

    The texts are read once, and compared block by block of some million words; the others are read once for each of the
    blocks. Where they cannot be read again, being an iterator, all texts are one block.

    By a run: both have the same ``run`` words in a row, or one is shorter, has at least 8 words, and stands as a whole
    in the other. As near duplicates: the Jaccard similarity of their word pairs is ``near`` or more; so are texts of
    the same words, however short. Texts without a word overlap nothing. Both are exact: nothing is missed, and nothing
    is found that does not overlap.

    Memory depends on a block of ``texts`` alone. Nothing of ``others`` is kept, and no error tells of them: what goes
    wrong while they are read becomes a ``SynthgenError`` without context that names the kind of error only, save that
    the project's own errors keep their message. Raises ``UserError`` for a run below 3, or ``near`` not in 0.3 to 1.
    """
    if run < 3:
        raise UserError(f"The run of words that makes an overlap is {run}; it must be at least 3.")
    if not 0.3 <= near <= 1:
        raise UserError(f"The near-duplicate threshold is {near}; it must be between 0.3 and 1.")
    block = math.inf if isinstance(others, Iterator) else _BLOCK
    left, begin, found = map(words, texts), 0, Overlap((), ())
    while (one := _of_block(Grams(_some(left, block), _sizes(run)), others, run, near)) is not None:
        count, by_run, similar = one
        found = Overlap((*found.run, *(by_run + begin).tolist()), (*found.near, *(similar + begin).tolist()))
        begin += count
    return found


def _of_block(grams: Grams, others: Iterable[str], run: int, near: float) -> tuple[int, Numbers, Numbers] | None:
    """Return how many texts a block has, and which of them overlap, by run or nearly; None for none."""
    count = len(grams.lines.lengths)
    if not count:
        return None
    runs, similar = _Runs(grams, _sizes(run)), Similar(grams, near)
    failure = _compared(grams, runs, similar, others)
    if failure is not None:
        raise failure
    by_run = runs.found()
    return count, by_run, np.setdiff1d(similar.found(), by_run)


def _sizes(run: int) -> range:
    return range(min(_SHORTEST, run), run + 1)


def _compared(grams: Grams, runs: "_Runs", similar: Similar, others: Iterable[str]) -> SynthgenError | None:
    """Look at all others; return what went wrong, free of the frames and causes that hold their text."""
    try:
        for batch in _batches(others):
            lines = grams.lay(batch)
            doubled = grams.doubled(lines)
            runs.look(lines, doubled)
            similar.look(batch, lines, doubled[1])
    except SynthgenError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:
        return SynthgenError(f"Comparing with the other texts failed ({type(error).__name__}).")
    return None


def _some(texts: Iterator[list[str]], size: float) -> Iterator[list[str]]:
    """Yield the next texts, until they have ``size`` words together."""
    for tokens in texts:
        yield tokens
        size -= len(tokens) + 1
        if size <= 0:
            return


def _batches(others: Iterable[str]) -> Iterator[list[list[str]]]:
    """Yield the words of some others at a time."""
    batch, held = [], 0
    for text in others:
        tokens = words(text)
        batch.append(tokens)
        held += len(tokens) + 1
        if held >= _BATCH:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class _Runs:
    """Runs of words that were met in others; the longest of ``sizes`` counts anywhere, the others as whole texts."""

    def __init__(self, grams: Grams, sizes: range) -> None:
        self._grams = grams
        self._longest = sizes[-1]
        # Flags by the run's number: met anywhere, and met as a whole text.
        self._met = {size: np.zeros((2, len(grams.own(size)) + 1), dtype=bool) for size in sizes}

    def look(self, lines: Lines, doubled: list[Numbers]) -> None:
        for size, met in self._met.items():
            ids = self._grams.sized(doubled, size)
            met[0, ids] = True
            met[1, ids[lines.starts[lines.lengths == size]]] = True

    def found(self) -> Numbers:
        """Return the rows of the texts that overlap, ascending."""
        lines = self._grams.lines
        owners = lines.owners()
        found = np.zeros(len(lines.lengths), dtype=bool)
        for size, met in self._met.items():
            met[:, 0] = False  # the number of what the texts do not have
            own = self._grams.own(size)
            anywhere, as_whole = (owners[own.places(np.flatnonzero(flags))] for flags in met)
            found[anywhere if size == self._longest else as_whole] = True
            found[anywhere[lines.lengths[anywhere] == size]] = True
        return np.flatnonzero(found)
