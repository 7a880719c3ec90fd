"""The private samples before a pool that grows: only what is new to it is compared with them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import IntArray
from synthgen.privacy.embedded import TOGETHER
from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import Voting
from synthgen.records import Sample


class Electorate:
    """Each private record's ``votes`` nearest (and, with ``both``, furthest) samples of its label in a pool."""

    def __init__(self, vault: Vault, *, votes: int, both: bool) -> None:
        self._vault = vault
        self._votes, self._both = votes, both
        self._voting: Voting | None = None
        self._pool: list[str] = []

    def facing(
        self,
        records: Records,
        samples: Sequence[Sample],
        labels: IntArray,
        embeddings: NDArray[np.float32] | None = None,
    ) -> Voting:
        """Return the voting over ``samples`` with label ids ``labels`` (n,).

        Where the pool of the last call is where ``samples`` begin, only the others are compared. ``embeddings`` (n, d),
        quantised, stand for the samples where they are not compared by their own.
        """
        ids = [sample.id for sample in samples]
        known = len(self._pool) if embeddings is None and ids[: len(self._pool)] == self._pool else 0
        if self._voting is None or not known:
            known = 0
            self._voting = Voting(records.embeddings, records.labels, votes=self._votes, both=self._both)
        if len(samples) > known:
            new = self._vault.embedded(samples[known:]) if embeddings is None else embeddings
            for start in range(0, len(new), TOGETHER):
                rows = slice(start, start + TOGETHER)
                self._voting.add(new[rows], labels[known:][rows])
        self._pool = ids if embeddings is None else []
        return self._voting
