"""ZeroGen (Ye et al., EMNLP 2022): every text is written zero-shot, and the small model is trained on all of them.

Where a task has contexts, such as titles of films, each PLM first writes some and then texts about them, as the paper
does. Nothing is chosen and nothing is shown: ``rounds`` only say when it is measured on the way. Differences to the
published code are listed in docs/methods.md.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from synthgen.downstream.stm import STM
from synthgen.errors import UserError
from synthgen.methods.base import Demonstration, Learned, Plan, Weighed, zero_shot
from synthgen.methods.quotas import equal_quotas
from synthgen.methods.trained import train, train_on
from synthgen.recipe import Recipe
from synthgen.records import Sample
from synthgen.tasks.task import Task


class ZeroGenOptions(BaseModel):
    """ZeroGen's own settings.

    ``contexts`` says whether each PLM first writes what its texts are to be about: ``yes``, ``no``, or ``auto``, which
    is yes in the paper profile for a task that has contexts; the pocket PLMs were not trained on such prompts.
    ``per_context`` is how many texts of a label are about one context: 32 in the paper, which writes 200,000.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contexts: Literal["auto", "yes", "no"] = "auto"
    per_context: Annotated[int, Field(ge=1)] = 1

    @field_validator("contexts", mode="before")
    @classmethod
    def _word(cls, given: object) -> object:
        # YAML reads a bare yes or no as true or false.
        return {True: "yes", False: "no"}[given] if isinstance(given, bool) else given


class ZeroGen:
    """The method. Raises ``UserError`` where contexts are asked for and the task has none."""

    Options = ZeroGenOptions

    def __init__(self, recipe: Recipe, task: Task, plms: Sequence[str], stm: STM) -> None:
        self._recipe = recipe
        self._options = options = ZeroGenOptions.model_validate(recipe.options)
        self._task = task
        self._plms = list(plms)
        self._stm = stm
        if options.contexts == "yes" and task.contexts is None:
            raise UserError(f"Task {task.name} has no contexts; leave options.contexts out, or give it as no.")
        wanted = options.contexts == "yes" or (options.contexts == "auto" and recipe.profile == "paper")
        self._with_contexts = wanted and task.contexts is not None

    def plan(self, round: int, demonstrations: Sequence[Demonstration]) -> Plan:
        """Ask every PLM zero-shot for the same number of every label, about as many contexts as that takes."""
        recipe, labels = self._recipe, self._task.labels
        quotas = equal_quotas(self._plms, labels, samples=recipe.samples, rounds=recipe.rounds, round=round)
        most = max(max(quota.values()) for quota in quotas.values())
        contexts = -(-most // self._options.per_context) if self._with_contexts else 0
        return zero_shot(self._task, quotas, contexts=contexts)

    def learn(self, samples: Sequence[Sample]) -> Learned:
        """Train one STM per PLM and one on all; none of them chooses anything."""
        return train(samples, stm=self._stm, task=self._task, plms=self._plms)

    def select(self, round: int, samples: Sequence[Sample], learned: Learned) -> list[Demonstration]:
        """Choose nothing."""
        return []

    def weigh(self, samples: Sequence[Sample]) -> Weighed:
        """Train the final STM on all samples with equal weights."""
        return train_on(np.arange(len(samples)), samples, stm=self._stm, task=self._task)

    def example(self, label: str) -> str:
        """Return the prompt of every round, with a placeholder for the context where there is one."""
        return self._task.about_context(label, "<context>") if self._with_contexts else self._task.zero_shot(label)
