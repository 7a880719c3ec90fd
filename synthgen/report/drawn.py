"""Which samples a page or a picture holds where there are more than one can look at."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgen.runs.sample_table import Rows, SampleTable

MOST = 60_000
"""Samples that a page holds, but for those that it must: the papers' runs whole. It is then of about 13 MB."""


def drawn(table: SampleTable, always: Sequence[int] | Rows = ()) -> Rows:
    """Return the places, ascending, of the samples a page holds: all of them up to ``MOST``.

    Of more, each PLM and label has its share, and one at least: those with the least hash of their ids, so that the
    same are drawn again and again. Those at the places ``always`` come besides.
    """
    if len(table) <= MOST:
        return np.arange(len(table))
    ranks = hashes(table.ids)
    taken = np.zeros(len(table), dtype=bool)
    for _, _, held in table.grouped():
        count = max(1, MOST * len(held) // len(table))
        taken[held[np.argpartition(ranks[held], count - 1)[:count]]] = True
    taken[np.asarray(always, dtype=np.int64)] = True
    return np.flatnonzero(taken)


def hashes(ids: pa.Array) -> NDArray[np.uint64]:
    """Return ``seeds.short_id`` of each of ``ids`` (bytes) as a number: in no order that the ids have."""
    named = (b"%d:%s" % (len(id_), id_) for id_ in ids.to_pylist())
    digests = b"".join(blake2b(name, digest_size=8).digest() for name in named)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)
