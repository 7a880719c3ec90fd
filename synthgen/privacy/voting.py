"""Which synthetic samples the private ones vote for, nearest and furthest within the class: exact and incremental."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import ThreadpoolController

Embeddings: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Rows: TypeAlias = Sequence[int] | NDArray[np.int64] | NDArray[np.bool_] | slice

SCALE = 4000
LIMIT = 2**24
POSITION_BITS = 38
LAST_POSITION = 2**POSITION_BITS - 1
NOBODY = np.iinfo(np.int64).min
SHARE_UNIT = 2.0**-30
CHECKED_ROWS = 4096
FIRST_SAMPLES = 64


def quantised(embeddings: Embeddings) -> Embeddings:
    """Return ``round(4000 * x)`` of unit rows (n, d): whole numbers, still in float32.

    Every dot product of two such rows is then exact in float32, whatever the order of summation, the BLAS or the
    blocks, so that the votes of one private record depend on no other record, bit by bit. Proof: a row x of length 1
    becomes 4000 x + r with every |r_i| <= 1/2, of length at most 4000 + sqrt(d) / 2, which is below 2^12 = 4096 for
    d < 36,864. Rows that are longer are refused, so for any two rows a, b any partial sum of products is a whole
    number of at most sum |a_i b_i| <= |a| |b| < 2^24 (Cauchy-Schwarz), and float32 holds all whole numbers up to 2^24.
    (Not on a GPU that multiplies in TF32.) A cosine is moved by about 1e-4 in standard deviation.

    Raises ``ValueError`` where a row is too long, as with rows of more than length 1, or not finite.
    """
    whole: Embeddings = np.empty(embeddings.shape, dtype=np.float32)
    for rows in pieces(slice(0, len(embeddings)), CHECKED_ROWS):
        with np.errstate(over="ignore"):
            np.rint(np.multiply(embeddings[rows], np.float32(SCALE), dtype=np.float32), out=whole[rows])
        _check(whole[rows])
    return whole


class Voting:
    """The Q nearest and the Q furthest synthetic samples of the own class, for each private record.

    ``private`` (m, d) and all samples are ``quantised`` unit rows: there the largest dot product is the smallest L2
    distance. The vote of rank q, from 0, weighs ``1 / 2^q`` (WASP). Equal dot products go to the sample that was added
    first. ``both=False`` casts no votes for the furthest. Samples are not kept: memory is that of ``private``, of
    ``16 m Q`` bytes and of one block a thread; its size (private rows, samples) has no influence on any result. There
    are as many threads as BLAS would use.

    Raises ``ValueError`` where ``votes`` is so large that ``m`` records cannot be counted exactly in float64.
    """

    def __init__(
        self,
        private: Embeddings,
        labels: ArrayLike,
        *,
        votes: int,
        both: bool = True,
        block: tuple[int, int] = (512, 2048),
    ) -> None:
        classes = _labels(labels, private)
        if votes < 1:
            raise ValueError(f"votes must be 1 or more, not {votes}")
        if max(len(private), 1) * 2 ** (votes - 1) > 2**53:
            raise ValueError(f"{votes} votes of {len(private)} private records cannot be counted exactly")
        order = np.argsort(classes, kind="stable")
        self._private: Embeddings = np.ascontiguousarray(private[order], dtype=np.float32)
        _check_all(self._private)
        self._original = np.argsort(order)
        self._groups = _groups(classes[order])
        self._block = block
        self._blas = ThreadpoolController().select(user_api="blas")
        self._total = 0
        self._near = _Best(len(private), votes, sign=1)
        self._far = _Best(len(private), votes, sign=-1)
        self._wanted = (self._near, self._far) if both else (self._near,)

    def add(self, embeddings: Embeddings, labels: ArrayLike) -> None:
        """Append ``n`` samples, ``quantised`` (n, d); costs a product with the private records of their classes.

        Raises ``ValueError``, before anything is counted, for rows that are not ``quantised`` or of another width.
        """
        classes = _labels(labels, embeddings)
        if embeddings.shape[1] != self._private.shape[1]:
            raise ValueError(f"samples have {embeddings.shape[1]} dimensions, private {self._private.shape[1]}")
        _check_all(embeddings)
        order = np.argsort(classes, kind="stable")
        threads = max((library["num_threads"] for library in self._blas.info()), default=1)
        with self._blas.limit(limits=1), ThreadPoolExecutor(threads) as pool:
            jobs = [
                pool.submit(self._count, rows, embeddings, order[members])
                for label, members in _groups(classes[order]).items()
                for rows in self._parts(label, threads)
            ]
            for job in jobs:
                job.result()
        self._total += len(classes)

    def _parts(self, label: int, threads: int) -> Iterator[slice]:
        """Return the blocks of the private rows of a class, which may have none; every thread gets one if it can."""
        group = self._groups.get(label, slice(0, 0))
        return pieces(group, max(1, min(self._block[0], -(-(group.stop - group.start) // threads))))

    def _count(self, rows: slice, embeddings: Embeddings, members: IntArray) -> None:
        """Let private rows of one class see its new samples, block by block in the order of position.

        The first blocks are narrow: they raise the thresholds, so that few samples of the wide ones are above. BLAS
        threads would have to wait for each other at every block, which is slow where the machine has other work.
        """
        height, width = rows.stop - rows.start, self._block[1]
        room = np.empty(height * min(width, len(members)), dtype=np.float32)
        for columns in _growing(len(members), width):
            positions = members[columns]
            products = room[: height * len(positions)].reshape(height, len(positions))
            np.matmul(self._private[rows], embeddings[positions].T, out=products)
            for best in self._wanted:
                best.update(rows, products, positions + self._total)

    @property
    def near(self) -> IntArray:
        """Positions (m, Q) of the nearest samples, in the order of ``add``, best first; -1 where there are fewer."""
        return self._near.positions()[self._original]

    @property
    def far(self) -> IntArray:
        """Positions (m, Q) of the furthest samples, furthest first; -1 where there are fewer or none was asked for."""
        return self._far.positions()[self._original]

    def histograms(self) -> tuple[FloatArray, FloatArray]:
        """Return the near and the far votes of each sample, (n,) each: exact multiples of ``2^(1-Q)``.

        These are private: only after noise may they leave.
        """
        return self.histograms_of(slice(None))

    def histograms_of(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Return the histograms of some private records alone, as those of one party."""
        return self._weigh(self.near[rows]), self._weigh(self.far[rows])

    def _weigh(self, chosen: IntArray) -> FloatArray:
        votes: FloatArray = np.zeros(self._total)
        for rank, column in enumerate(chosen.T):
            votes += np.bincount(column[column >= 0], minlength=self._total) * 0.5**rank
        return votes

    def shares(self, owners: ArrayLike, n_owners: int) -> FloatArray:
        """Return how each private record's near votes are spread over the owners of the samples, (m, n_owners).

        ``owners`` (n,) holds the owner (the PLM) of each sample, from 0. A row sums to exactly 1, and is 0 where the
        class has no sample. Shares are whole multiples of 2^-30, rounded down, and what is left over goes to the owner
        of the nearest sample; so sums over up to 2^23 records are exact as well.
        """
        owner = _whole(owners)
        if owner.shape != (self._total,) or not ((owner >= 0) & (owner < n_owners)).all():
            raise ValueError(f"each of {self._total} samples needs one owner of 0 to {n_owners - 1}")
        near = self.near
        mass: FloatArray = np.zeros((len(near), n_owners))
        voters = np.flatnonzero(near[:, 0] >= 0)
        for rank in range(near.shape[1]):
            cast = np.flatnonzero(near[:, rank] >= 0)
            mass[cast, owner[near[cast, rank]]] += 0.5**rank
        part: FloatArray = mass[voters] / mass[voters].sum(axis=1, keepdims=True)
        part = np.floor(part / SHARE_UNIT) * SHARE_UNIT
        part[np.arange(len(voters)), owner[near[voters, 0]]] += 1 - part.sum(axis=1)
        mass[voters] = part
        return mass


class _Best:
    """The Q best samples of each private row, for ``sign`` times the dot product.

    One is kept as the number ``score * 2^38 + (2^38 - 1 - position)``: the larger is the better, ties included. The
    score of a row's worst kept one is its threshold: a later sample has to be above it, and few are (about Q / n).
    """

    def __init__(self, rows: int, votes: int, sign: int) -> None:
        self._sign = sign
        self._keys: IntArray = np.full((rows, votes), NOBODY, dtype=np.int64)
        self._thresholds = self._worst(self._keys)

    def update(self, rows: slice, products: Embeddings, positions: IntArray) -> None:
        """Take in the dot products (rows, samples) of samples that come after all those seen before."""
        beyond = np.greater if self._sign > 0 else np.less
        hits = np.flatnonzero(beyond(products, self._thresholds[rows, None]))
        if not len(hits):
            return
        row, column = np.divmod(hits, products.shape[1])
        scores = self._sign * products.ravel()[hits].astype(np.int64)
        keys = (scores << POSITION_BITS) + (LAST_POSITION - positions[column])
        first = np.flatnonzero(np.diff(row, prepend=-1))
        counts = np.diff(first, append=len(row))
        touched = rows.start + row[first]
        kept = self._keys.shape[1]
        wide = np.full((len(touched), kept + counts.max()), NOBODY, dtype=np.int64)
        wide[:, :kept] = self._keys[touched]
        wide[np.repeat(np.arange(len(touched)), counts), kept + np.arange(len(row)) - np.repeat(first, counts)] = keys
        wide.partition(wide.shape[1] - kept, axis=1)
        self._keys[touched] = wide[:, -kept:]
        self._thresholds[touched] = self._worst(self._keys[touched])

    def _worst(self, keys: IntArray) -> Embeddings:
        worst: Embeddings = (self._sign * (keys.min(axis=1) >> POSITION_BITS)).astype(np.float32)
        return worst

    def positions(self) -> IntArray:
        """Return the positions (rows, Q), best first, -1 for none."""
        keys = np.sort(self._keys, axis=1)[:, ::-1]
        found: IntArray = np.where(keys == NOBODY, -1, LAST_POSITION - (keys & LAST_POSITION))
        return found


def _whole(numbers: ArrayLike) -> IntArray:
    """Return integers; ``ValueError`` for anything that would have to be rounded."""
    found = np.asarray(numbers)
    if found.size and found.dtype.kind not in "iu":
        raise ValueError(f"labels and owners must be integers, not {found.dtype}")
    return found.astype(np.int64)


def _labels(labels: ArrayLike, embeddings: Embeddings) -> IntArray:
    """Return the labels as integers; ``ValueError`` where they do not fit the rows."""
    found = _whole(labels)
    if embeddings.ndim != 2 or found.shape != embeddings.shape[:1]:
        raise ValueError(f"labels {found.shape} do not fit embeddings {embeddings.shape}")
    return found


def _groups(ordered: IntArray) -> dict[int, slice]:
    """Return where each label is in an ascending array."""
    names, first = np.unique(ordered, return_index=True)
    ends = np.append(first, len(ordered))[1:]
    return {int(name): slice(int(a), int(b)) for name, a, b in zip(names, first, ends, strict=True)}


def pieces(whole: slice, size: int) -> Iterator[slice]:
    """Yield slices of ``size`` that make up ``whole``, the last one perhaps shorter."""
    return (slice(at, min(at + size, whole.stop)) for at in range(whole.start, whole.stop, size))


def _growing(count: int, size: int) -> Iterator[slice]:
    """Yield pieces, each as long as all before it, up to ``size``."""
    start = 0
    while start < count:
        stop = min(start + min(max(start, FIRST_SAMPLES), size), count)
        yield slice(start, stop)
        start = stop


def _check_all(whole: Embeddings) -> None:
    """Raise ``ValueError`` where rows are not those of ``quantised``."""
    for rows in pieces(slice(0, len(whole)), CHECKED_ROWS):
        _check(whole[rows])


def _check(whole: Embeddings) -> None:
    if whole.dtype != np.float32 or not np.array_equal(whole, np.rint(whole)):
        raise ValueError("embeddings must be finite, and quantised: whole numbers in float32")
    # A float32 sum of non-negative whole numbers reaches 2^24 whenever the exact one does: rounding is monotone.
    with np.errstate(over="ignore"):
        if not (np.einsum("ij,ij->i", whole, whole) < LIMIT).all():
            raise ValueError("an embedding is longer than a unit row")
