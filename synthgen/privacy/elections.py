"""Candidates chosen by the exponential mechanism, the votes of private samples being the utility."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import UserError
from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import Voting
from synthgen.records import Sample
from synthgen.seeds import short_id


class Elections:
    """At most ``selections`` choices a label in a whole run, all under one promise.

    A record votes within its label, with weights 1, 1/2, ... for the ``votes`` nearest candidates: it moves the utility
    of a candidate by at most 1 (sensitivity), and those of all candidates in the same direction (monotone).

    What is charged. Under add-remove, neighbouring sets differ in a record of one label, so the choices of all other
    labels are the same function of the same records: the labels' choices, one of each, cost together what one costs
    (parallel composition, also where what comes later depends on all that came before). They are charged to the label
    that has most to choose, whose choice is made first; the others cost 0. Under replace-one a record is taken from
    one label and another put in the same or a second one. The weights exp(epsilon u / 2) of a utility that is not
    called monotone make that cost epsilon at most: within one label by the mechanism's own proof, across two labels
    as two changes in one direction, epsilon / 2 each. (As zero-concentrated privacy: 2 (epsilon / 2)^2 / 8, less than
    epsilon^2 / 8.)

    Raises ``UserError`` for parties: a choice needs one place that sees all votes, and a party's records may have any
    labels.
    """

    def __init__(self, vault: Vault, *, votes: int, selections: int, accounting: str) -> None:
        if vault.n_parties > 1 or vault.privacy.unit == "party":
            raise UserError(
                "The exponential mechanism needs one place that sees all votes, so it does not work with parties; "
                "take mechanism gaussian, or one private file and unit record."
            )
        self._vault, self._votes = vault, votes
        self._monotone = vault.privacy.adjacency == "add-remove"
        self.epsilon = vault.epsilon_each(selections, accounting)

    def hold(
        self,
        round: int,
        samples: Sequence[Sample],
        labels: IntArray,
        wanted: Sequence[int],
        embeddings: NDArray[np.float32] | None = None,
    ) -> list[int]:
        """Return the positions of ``wanted[label]`` candidates a label, chosen one after the other, none twice.

        ``embeddings`` (n, d), quantised, stand for the candidates where they are not compared by their own.
        """
        counted: list[FloatArray] = []

        def utilities(records: Records, *, open: Sequence[int]) -> FloatArray:
            if not counted:
                voting = Voting(records.embeddings, records.labels, votes=self._votes, both=False)
                voting.add(self._vault.embeddings(samples) if embeddings is None else embeddings, labels)
                counted.append(voting.histograms()[0])
            votes: FloatArray = counted[0][list(open)]
            return votes

        running = {label: np.flatnonzero(labels == label).tolist() for label in range(len(wanted))}
        order = sorted(running, key=lambda label: -wanted[label])
        chosen: list[int] = []
        for turn in range(max(wanted)):
            for label in order:
                if turn >= wanted[label]:
                    continue
                left = running[label]
                detail: dict[str, Any] = {"votes": self._votes, "candidates": len(left)}
                place = self._vault.release_choice(
                    round,
                    f"choice {label:03d} {turn:05d}",
                    partial(utilities, open=tuple(left)),
                    epsilon=self.epsilon,
                    sensitivity=1.0,
                    monotone=self._monotone,
                    cost=self.epsilon if label == order[0] else 0.0,
                    detail={**detail, "among": short_id(*(samples[row].id for row in left))},
                )
                chosen.append(left.pop(place))
        return chosen
