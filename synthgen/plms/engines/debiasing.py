"""Self-debiasing: a text for one label avoids what the prompts of the other labels make more probable."""

import math
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from synthgen.records import Request

EPSILON = 0.01
"""The least by which the probability of a token is multiplied."""


def counters_of(request: Request) -> tuple[str, ...]:
    """Return the prompts that the text is debiased against, none where its sampling does not ask for it."""
    return request.counters if request.sampling.debias > 0 else ()


class SelfDebiasing(LogitsProcessor):  # type: ignore[misc]
    """Multiply ``p(w)`` of a leading row by ``max(EPSILON, exp(-strength * max(0, max_c p_c(w) - p(w))))``.

    After Schick, Udupa and Schuetze 2021. The first rows lead, one for each of ``strengths`` (lambda); behind them come
    their followers, one for each of ``leaders``, the place of the row it follows. ``p`` is what the model says behind
    the row's own prompt, ``p_c`` behind the counter prompt of a follower, both at temperature 1 and with the same
    tokens written since. Followers, and rows that nobody follows, keep their scores as they are.
    """

    def __init__(
        self, strengths: Sequence[float], leaders: Sequence[int], *, device: torch.device | str = "cpu"
    ) -> None:
        self._strengths = torch.tensor([[strength] for strength in strengths], device=device)
        self._leaders = torch.tensor(leaders, dtype=torch.long, device=device)[:, None]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, shape ``(rows, vocabulary)``, with the logarithm of the factor added."""
        count = len(self._strengths)
        own, other = torch.softmax(scores.float(), dim=-1).split([count, len(self._leaders)])
        # Where no counter prompt makes a token more probable, its own probability is the largest, and nothing is added.
        largest = own.scatter_reduce(0, self._leaders.expand_as(other), other, "amax")
        penalty = (self._strengths * (own - largest)).clamp(min=math.log(EPSILON))
        return torch.cat([scores[:count] + penalty.to(scores.dtype), scores[count:]])
