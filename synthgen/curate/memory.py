"""All texts a run has accepted, to find exact and near duplicates."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.curate.columns import Column
from synthgen.curate.index import Index, entries_of, matches
from synthgen.curate.minhash import Bands, shingles_of
from synthgen.curate.reasons import Reason
from synthgen.curate.shingled import Shingled, shingled, similar
from synthgen.errors import UserError

_SETS = ("shingles", "sizes", "offsets", "bits")

Parts = Mapping[str, NDArray[Any]]


class Memory:
    """Accepted texts; two are near duplicates where the Jaccard similarity of their word pairs reaches a threshold.

    Candidates come from MinHash LSH, which finds 99 % of pairs at the threshold and more above; each is then compared
    exactly, so nothing below the threshold is ever called a duplicate. Equal words are told by a hash of 128 bits: the
    chance that one of a million texts is wrongly rejected for it is 10**-27. Raises ``UserError`` for a threshold
    outside 0.3 to 1.
    """

    def __init__(self, near_duplicate: float) -> None:
        if not 0.3 <= near_duplicate <= 1:
            raise UserError(f"The near-duplicate threshold is {near_duplicate}; it must be between 0.3 and 1.")
        self._threshold = near_duplicate
        self._bands = Bands(near_duplicate)
        self._names: dict[str, int] = {}
        self._index = Index()
        self._columns = {
            "digests": Column(np.uint64, (2,)),
            "labels": Column(np.uint32),
            "shingles": Column(np.uint32),
            "sizes": Column(np.int32),
            "offsets": Column(np.int64),
            "bits": Column(np.uint64, (4,)),
        }
        self._columns["offsets"].extend(np.zeros(1, dtype=np.int64))

    def __len__(self) -> int:
        """Return how many texts were accepted."""
        return len(self._columns["labels"])

    def judge(self, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> list[Reason | None]:
        """Judge the words of texts in their order, and remember those accepted: that have no reason.

        The reasons are duplicate, two_labels (the same words under another label) and near_duplicate, of texts before
        them. Judging a thousand at once is ten times as fast as one by one, and says the same.
        """
        batch, codes = _Batch(texts, self._bands), self._coded(labels)
        first, near = self._known(batch)
        within = _pairs_within(batch, self._threshold) if len(texts) > 1 else {}
        fresh: dict[bytes, int] = {}
        found: list[Reason | None] = []
        for at, (digest, code) in enumerate(zip(batch.names, codes.tolist(), strict=True)):
            held = first.get(at, fresh.get(digest))
            if held is not None:
                found.append(Reason.DUPLICATE if held == code else Reason.TWO_LABELS)
            elif near[at] or any(found[before] is None for before in within.get(at, ())):
                found.append(Reason.NEAR_DUPLICATE)
            else:
                found.append(None)
                fresh[digest] = code
        self._keep(batch, codes, np.array([reason is None for reason in found], dtype=bool))
        return found

    def find(self, tokens: Sequence[str], label: str) -> Reason | None:
        """Return what ``judge`` would say of one text, without remembering it."""
        first, near = self._known(_Batch([tokens], self._bands))
        if first:
            return Reason.DUPLICATE if first[0] == self._names.get(label) else Reason.TWO_LABELS
        return Reason.NEAR_DUPLICATE if near[0] else None

    def add(self, tokens: Sequence[str], label: str) -> None:
        """Remember the words of a text accepted elsewhere; of equal texts the first keeps its label."""
        self._keep(_Batch([tokens], self._bands), self._coded([label]), np.ones(1, dtype=bool))

    def since(self, count: int) -> dict[str, NDArray[Any]]:
        """Return what was remembered after the first ``count`` texts, to be saved and given to ``restore``."""
        offsets = self._columns["offsets"].values[count:]
        parts = {name: column.values[count:].copy() for name, column in self._columns.items() if name != "shingles"}
        return parts | {
            "offsets": offsets - offsets[0],
            "shingles": self._columns["shingles"].values[offsets[0] :].copy(),
            "names": np.array(list(self._names), dtype=np.str_),
            "entries": self._index.since(count),
        }

    def restore(self, parts: Iterable[Parts]) -> None:
        """Remember what ``since`` returned, part by part."""
        for part in parts:
            row, codes = len(self), self._coded(part["names"].tolist())
            sets = Shingled(*(part[name] for name in _SETS))
            self._extend(part["digests"], codes[part["labels"]], sets)
            self._index.add(part["entries"] + np.uint64(row))

    def _coded(self, labels: Iterable[str]) -> NDArray[np.uint32]:
        codes = [self._names.setdefault(label, len(self._names)) for label in labels]
        return np.array(codes, dtype=np.uint32)

    def _known(self, batch: "_Batch") -> tuple[dict[int, int], NDArray[np.bool_]]:
        """Return the labels (as codes) of what has the same words as texts of the batch, and which texts are near."""
        held = Shingled(*(self._columns[name].values for name in _SETS))
        digests, labels = self._columns["digests"].values, self._columns["labels"].values
        rows_of: dict[int, int] = {}
        near = np.zeros(len(batch.names), dtype=bool)
        for places, rows in self._index.find(batch.keys):
            at = batch.owners[places]
            named = np.flatnonzero(places < len(near))
            equal = named[(digests[rows[named]] == batch.digests[at[named]]).all(axis=1)]
            for own, row in zip(at[equal].tolist(), rows[equal].tolist(), strict=True):
                rows_of[own] = min(row, rows_of.get(own, row))
            open_ = (places >= len(near)) & ~near[at]
            near[similar(batch.sets, at[open_], held, rows[open_], self._threshold)[0]] = True
        return {at: int(labels[row]) for at, row in rows_of.items()}, near

    def _keep(self, batch: "_Batch", codes: NDArray[np.uint32], kept: NDArray[np.bool_]) -> None:
        if not kept.any():
            return
        rows = len(self) - 1 + np.cumsum(kept)
        of_kept = kept[batch.owners]
        entries = entries_of(batch.keys[of_kept], rows[batch.owners[of_kept]])
        at = np.flatnonzero(kept)
        sizes = batch.sets.sizes[at]
        offsets = np.append(0, np.cumsum(sizes, dtype=np.int64))
        self._extend(batch.digests[at], codes[at], Shingled(batch.sets.of(at), sizes, offsets, batch.sets.bits[at]))
        self._index.add(entries)

    def _extend(self, digests: NDArray[np.uint64], codes: NDArray[np.uint32], sets: Shingled) -> None:
        before = len(self._columns["shingles"])
        self._columns["digests"].extend(digests)
        self._columns["labels"].extend(codes)
        self._columns["shingles"].extend(sets.shingles)
        self._columns["sizes"].extend(sets.sizes)
        self._columns["offsets"].extend(sets.offsets[1:] + before)
        self._columns["bits"].extend(sets.bits)


class _Batch:
    """Some texts, as they are looked for.

    names, digests (texts, 2): a hash of the words. sets: their shingles. keys, owners: (n,) first a key of each text's
    words, then those of the bands, and the text each belongs to; a text without words is in no band.
    """

    def __init__(self, texts: Sequence[Sequence[str]], bands: Bands) -> None:
        self.names = [blake2b(" ".join(tokens).encode(), digest_size=16).digest() for tokens in texts]
        self.digests = np.frombuffer(b"".join(self.names), dtype="<u8").reshape(-1, 2).astype(np.uint64)
        self.sets = shingled([shingles_of(tokens) for tokens in texts])
        rows = np.arange(len(texts))
        some = rows[self.sets.sizes > 0]
        banded = bands.keys(self.sets.shingles, self.sets.offsets[some])
        self.keys = np.concatenate([self.digests[:, 0].astype(np.uint32), banded.ravel()])
        self.owners = np.concatenate([rows, np.repeat(some, bands.count)])


def _pairs_within(batch: _Batch, threshold: float) -> dict[int, list[int]]:
    """Return for each text of the batch those before it that it is similar to, where there are some."""
    banded = slice(len(batch.names), None)
    order = np.argsort(batch.keys[banded])
    keys, owners = batch.keys[banded][order], batch.owners[banded][order]
    found: dict[int, list[int]] = {}
    for places, before in matches(np.sort(entries_of(keys, owners)), keys):
        later = before < owners[places]
        pairs = similar(batch.sets, owners[places][later], batch.sets, before[later], threshold)
        for row, other in zip(*(side.tolist() for side in pairs), strict=True):
            found.setdefault(row, []).append(other)
    return found
