"""Votes of private samples on synthetic ones, released under Gaussian noise: one histogram a round."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.privacy.clipping import UP, clipped, unit_sensitivity
from synthgen.privacy.electorate import Electorate
from synthgen.privacy.parties import Records
from synthgen.privacy.sensitivity import Design, histogram_sensitivity
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import Voting
from synthgen.records import Sample


@dataclass(frozen=True, slots=True)
class Ballot:
    """Noised votes on ``n`` samples.

    ``good`` (n,) is what the design has of closeness, ``bad`` (n,) of distance, None for ``near``; for ``signed`` one
    is the other's negative.
    """

    good: FloatArray
    bad: FloatArray | None


class Ballots:
    """A series of ``releases`` ballots of one shape over a pool of samples that may grow.

    A record has ``votes`` votes near (and far, but for the design ``near``). The series has ``share`` of the budget.
    """

    def __init__(self, vault: Vault, *, votes: int, design: Design, releases: int, share: float = 1.0) -> None:
        self._vault = vault
        self._votes, self._design = votes, design
        self._one = histogram_sensitivity(votes, design=design, adjacency="add-remove")
        replaced = histogram_sensitivity(votes, design=design, adjacency="replace-one")
        self.sensitivity = unit_sensitivity(vault.privacy, add=self._one, replace=replaced, signed=design == "signed")
        self.sigma = vault.sigma(self.sensitivity, releases, share)
        self._electorate = Electorate(vault, votes=votes, both=design != "near")

    def cast(
        self,
        round: int,
        samples: Sequence[Sample],
        labels: IntArray,
        embeddings: NDArray[np.float32] | None = None,
    ) -> Ballot:
        """Release the votes on ``samples`` with label ids ``labels`` (n,); ``embeddings`` as for ``Electorate``."""
        ids = [sample.id for sample in samples]
        values = self._vault.release_vector(
            round,
            "votes",
            lambda records: self._by_party(records, self._electorate.facing(records, samples, labels, embeddings)),
            sensitivity=self.sensitivity,
            sigma=self.sigma,
            detail={"design": self._design, "votes": self._votes, "samples": ids},
        )
        good = values[: len(ids)]
        bad = {"two": values[len(ids) :], "signed": -good, "near": None}[self._design]
        return Ballot(good, bad)

    def _by_party(self, records: Records, voting: Voting) -> FloatArray:
        parts = []
        for party in range(records.n_parties):
            near, far = voting.histograms_of(np.flatnonzero(records.party == party))
            votes = {"near": near, "two": np.concatenate([near, far]), "signed": near - far}[self._design]
            parts.append(clipped(votes, self._vault.privacy, add=self._one))
        return np.stack(parts)


class Shares:
    """A series of ``releases``: how the near votes, one in all a record, are spread over the owners of the samples."""

    def __init__(self, vault: Vault, *, votes: int, releases: int, share: float) -> None:
        self._vault = vault
        sensitivity = unit_sensitivity(vault.privacy, add=1.0, replace=math.sqrt(2) * UP, signed=False)
        self.sensitivity = sensitivity
        self.sigma = vault.sigma(sensitivity, releases, share)
        self._electorate = Electorate(vault, votes=votes, both=False)

    def cast(
        self, round: int, samples: Sequence[Sample], labels: IntArray, owners: IntArray, n_owners: int
    ) -> FloatArray:
        """Return the noised vote mass (n_owners,), in records, of the samples by ``owners`` (n,)."""

        def counted(records: Records) -> FloatArray:
            shares = self._electorate.facing(records, samples, labels).shares(owners, n_owners)
            parties = [shares[records.party == party].sum(axis=0) for party in range(records.n_parties)]
            return np.stack([clipped(part, self._vault.privacy, add=1.0) for part in parties])

        return self._vault.release_vector(
            round,
            "owners",
            counted,
            sensitivity=self.sensitivity,
            sigma=self.sigma,
            detail={"samples": [sample.id for sample in samples], "owners": owners.tolist()},
        )
