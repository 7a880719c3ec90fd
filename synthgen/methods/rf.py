"""RF, the real filter (He et al., ICLR 2023): zero-shot texts, less those near a private sample of another label.

It compares every text with the private samples themselves and protects none of them. It is here to be compared with,
and refused unless the user says that no privacy is promised.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.downstream.stm import STM
from synthgen.errors import SynthgenError, UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import equal_quotas
from synthgen.methods.trained import label_ids, train, train_on
from synthgen.privacy.parties import Records
from synthgen.privacy.real_filter import cross_label_distance, far_from_others
from synthgen.privacy.vault import Vault
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.tasks.task import Task


class RFOptions(BaseModel):
    """The filter's settings.

    ``threshold`` is the smallest distance, between unit embeddings, that a text must keep from private samples of other
    labels; without one it is the ``percentile`` of the distances between private samples of different labels. (The
    published default, 0, rejects nothing.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    percentile: Annotated[float, Field(ge=0, le=100)] = 5.0


class RF:
    """The method; ``vault`` holds the private samples, without a promise."""

    Options = RFOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM, vault: Vault) -> None:
        self._recipe = recipe
        self._options = RFOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm
        self._vault = vault
        if vault.privacy.enabled:
            raise UserError("RF looks at private samples without any protection; add --no-privacy to allow it.")
        self._threshold = float(vault.look(self._distance))

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask every PLM zero-shot for the same number of every label, in every round."""
        recipe, labels = self._recipe, self._task.labels
        quotas = equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
        return zero_shot(self._task, quotas)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and one on all, before the filter."""
        return train(samples, stm=self._stm, task=self._task, plms=self._plms)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Show nothing."""
        return []

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Filter, and train the final STM on the rest. Raises ``SynthgenError`` where nothing is left of a label."""
        labels, embeddings = label_ids(samples, self._task), self._vault.embeddings(samples)

        def kept(records: Records) -> Any:
            return far_from_others(records, embeddings, labels, self._threshold)

        rows = np.flatnonzero(self._vault.look(kept))
        if lost := [name for number, name in enumerate(self._task.labels) if number not in labels[rows]]:
            raise SynthgenError(
                f"Every text of {', '.join(lost)} is too near to a private sample of another label; take a smaller "
                "--set options.percentile or --set options.threshold."
            )
        return train_on(rows, samples, stm=self._stm, task=self._task)

    def example(self, label: str) -> str:
        """Return the prompt of every round: all are zero-shot."""
        return self._task.zero_shot(label)

    def outlook(self) -> dict[str, Any]:
        """Return the threshold, which comes from the private samples unless it was given."""
        return {"promise": "none: every text is compared with the private samples", "threshold": self._threshold}

    def _distance(self, records: Records) -> float:
        if self._options.threshold is not None:
            return self._options.threshold
        return cross_label_distance(records, self._options.percentile)
