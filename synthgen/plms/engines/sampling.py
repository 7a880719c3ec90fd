"""Per-row sampling and stopping for ``model.generate``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, StoppingCriteria

from synthgen.records import Request, Sampling

TRIES = 6
"""Draws a step before the nucleus is sorted out; one lies outside it with probability ``1 - top_p``."""


class RowSampler(LogitsProcessor):  # type: ignore[misc]
    """Draw each row's next token from that row's own random numbers, then force it.

    With greedy decoding behind it, ``generate`` takes exactly the drawn token. Nucleus sampling after Holtzman et al.
    2020, by rejection: a token drawn from the whole distribution is kept if those more probable than it do not already
    reach ``top_p``. This gives the renormalised nucleus without sorting the vocabulary.

    A row's draws depend on its seed and on how many of its tokens went before: ``skip`` tokens were drawn earlier.
    Rows behind those of the ``requests`` draw nothing: each is given the token of the row whose place is in
    ``leaders``.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        steps: int,
        *,
        skip: int = 0,
        leaders: Sequence[int] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        draws = [_uniforms(request.seed, skip, steps) for request in requests]
        self._uniforms = torch.from_numpy(np.stack(draws)).float().to(device)
        self._temperature = torch.tensor([[request.sampling.temperature] for request in requests], device=device)
        self._top_p = torch.tensor([[request.sampling.top_p] for request in requests], device=device)
        self._places = torch.tensor([*range(len(requests)), *leaders], device=device)
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores that leave one token a row, shapes ``(rows, vocabulary)``."""
        uniforms = self._uniforms[:, self._step]
        self._step += 1
        probabilities = torch.softmax(scores[: len(uniforms)].float() / self._temperature, dim=-1)
        drawn = _draw(probabilities, self._top_p, uniforms)[self._places]
        return torch.full_like(scores, -torch.inf).scatter_(-1, drawn, 0.0)


def _uniforms(seed: int, skip: int, steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    stream = np.random.Philox(seed)
    # Philox makes four numbers a counter step; a step of ours takes TRIES + 1 rounded up to whole counter steps.
    width = -(-(TRIES + 1) // 4) * 4
    stream.advance(skip * width // 4)
    return np.random.Generator(stream).random((steps, width))[:, : TRIES + 1]


def _draw(probabilities: torch.Tensor, top_p: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Return one token a row, shape ``(rows, 1)``."""
    cumulative = probabilities.cumsum(-1)
    drawn = torch.zeros_like(top_p, dtype=torch.long)
    open_rows = torch.arange(len(probabilities), device=probabilities.device)
    for attempt in range(TRIES):
        mass = cumulative[open_rows]
        token = torch.searchsorted(mass, uniforms[open_rows, attempt, None] * mass[:, -1:], right=True)
        token = token.clamp(max=mass.shape[-1] - 1)
        drawn[open_rows] = token
        chances = probabilities[open_rows]
        above = torch.where(chances > chances.gather(-1, token), chances, 0.0).sum(-1, keepdim=True)
        open_rows = open_rows[(above >= top_p[open_rows]).squeeze(-1)]
        if not len(open_rows):
            return drawn
    drawn[open_rows] = _sorted_draw(probabilities[open_rows], top_p[open_rows], uniforms[open_rows, TRIES, None])
    return drawn


def _sorted_draw(probabilities: torch.Tensor, top_p: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Sort the nucleus out and draw from it by inverse transform."""
    ordered, tokens = probabilities.sort(dim=-1, descending=True)
    cumulative = ordered.cumsum(-1)
    kept = ordered.masked_fill(cumulative - ordered >= top_p, 0.0).cumsum(-1)
    place = torch.searchsorted(kept, uniforms * kept[:, -1:], right=True).clamp(max=kept.shape[-1] - 1)
    return tokens.gather(-1, place)


class EndOnStop(StoppingCriteria):  # type: ignore[misc]
    """End a row at the first token that ends a text or holds its stop string, or at its own length limit.

    ``closing`` maps a stop string to ``Vocabulary.closing`` of it; a row's text begins at position ``start``.
    """

    def __init__(
        self,
        closing: Mapping[str, torch.Tensor],
        samplings: Sequence[Sampling],
        start: int,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        self._start = start
        self._limits = torch.tensor([sampling.max_tokens for sampling in samplings], device=device)
        stops = sorted(closing)
        self._stop_of = torch.tensor([stops.index(sampling.stop) for sampling in samplings], device=device)
        self._closing = torch.stack([closing[stop] for stop in stops]).to(device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor | None, **_: Any) -> torch.Tensor:
        """Return which rows are done, shape ``(rows,)``."""
        return self._closing[self._stop_of, input_ids[:, -1]] | (input_ids.shape[1] - self._start >= self._limits)

    def written(self, new: torch.Tensor, before: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how many of the ``new`` tokens, shape ``(rows, tokens)``, each row really wrote, and which rows ended.

        What follows a row's last token is filling. ``before`` tokens of every row were written earlier. A row ends at
        a token; one that has only reached its limit has not ended.
        """
        ending = self._closing[self._stop_of[:, None], new]
        place = torch.arange(1, new.shape[1] + 1, device=new.device)
        first = torch.where(ending, place, new.shape[1] + 1).min(dim=-1).values
        room = (self._limits - before).clamp(max=new.shape[1])
        return torch.minimum(first, room), first <= room
