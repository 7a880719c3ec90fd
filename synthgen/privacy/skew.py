"""Deal samples out to parties whose labels are skewed, to try methods on what real parties look like."""

from collections.abc import Sequence

import numpy as np

from synthgen.downstream.stm import IntArray


def deal_to_parties(
    labels: Sequence[str] | IntArray, n_parties: int, *, dirichlet: float, seed: int, most: int | None = None
) -> IntArray:
    """Return the party of each sample, shape ``(n,)``, -1 for one that no party has room for.

    Each label is dealt in shares drawn from a symmetric Dirichlet of concentration ``dirichlet``: large is even, small
    is skewed. 0 is the pathological split: every party has samples of one label only, labels in turn. ``most`` bounds
    the samples of a party (8 in WASP's cross-device setting). Raises ``ValueError`` for fewer than one party, or, in
    the pathological split, fewer parties than labels.
    """
    names = sorted(set(np.asarray(labels).tolist()))
    if n_parties < 1 or (dirichlet == 0 and n_parties < len(names)):
        raise ValueError(f"{n_parties} parties are too few for {len(names)} labels")
    draw = np.random.default_rng(seed)
    party = np.full(len(labels), -1, dtype=np.int64)
    for turn, name in enumerate(names):
        rows = draw.permutation(np.flatnonzero(np.asarray(labels) == name))
        shares = (
            (np.arange(n_parties) % len(names) == turn) if dirichlet == 0 else draw.dirichlet([dirichlet] * n_parties)
        )
        ends = np.round(np.cumsum(shares / shares.sum()) * len(rows)).astype(int)
        for number, own in enumerate(np.split(rows, ends[:-1])):
            party[own] = number
    if most is not None:
        for number in range(n_parties):
            party[draw.permutation(np.flatnonzero(party == number))[most:]] = -1
    return party
