"""Per-row sampling and stopping for ``model.generate``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, StoppingCriteria

from synthgen.records import Request, Sampling


class RowSampler(LogitsProcessor):  # type: ignore[misc]
    """Draw each row's next token by inverse transform from that row's own uniforms, then force it.

    With greedy decoding behind it, ``generate`` takes exactly the drawn token. Nucleus sampling after Holtzman et al.
    2020: the smallest set of tokens whose probability reaches ``top_p``.
    """

    def __init__(self, requests: Sequence[Request], steps: int) -> None:
        draws = [np.random.Generator(np.random.Philox(request.seed)).random(steps) for request in requests]
        self._uniforms = torch.from_numpy(np.stack(draws)).float()
        self._temperature = torch.tensor([[request.sampling.temperature] for request in requests])
        self._top_p = torch.tensor([[request.sampling.top_p] for request in requests])
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores that leave one token a row, shapes ``(rows, vocabulary)``."""
        device = scores.device
        probabilities = torch.softmax(scores.float() / self._temperature.to(device), dim=-1)
        top_p = self._top_p.to(device)
        ordered, tokens = _head(probabilities, top_p)
        cumulative = ordered.cumsum(-1)
        # A token is outside the nucleus when those before it already reach top_p.
        kept = ordered.masked_fill(cumulative - ordered >= top_p, 0.0).cumsum(-1)
        target = self._uniforms[:, self._step, None].to(device) * kept[:, -1:]
        place = torch.searchsorted(kept, target, right=True).clamp(max=kept.shape[-1] - 1)
        self._step += 1
        drawn = tokens.gather(-1, place)
        return torch.full_like(scores, -torch.inf).scatter_(-1, drawn, 0.0)


def _head(probabilities: torch.Tensor, top_p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return enough of the sorted probabilities to hold every row's nucleus; a full sort is rarely needed."""
    size = probabilities.shape[-1]
    for count in (256, 1024):
        if count < size:
            ordered, tokens = probabilities.topk(count, dim=-1)
            if bool((ordered.sum(-1, keepdim=True) >= top_p).all()):
                return ordered, tokens
    ordered, tokens = probabilities.sort(dim=-1, descending=True)
    return ordered, tokens


class EndOnStop(StoppingCriteria):  # type: ignore[misc]
    """End a row at the first token that holds its stop string, or at its own length limit."""

    def __init__(self, tokenizer: Any, samplings: Sequence[Sampling], start: int) -> None:
        self.start = start
        self._limits = torch.tensor([sampling.max_tokens for sampling in samplings])
        stops = sorted({sampling.stop for sampling in samplings})
        self._stop_of = torch.tensor([stops.index(sampling.stop) for sampling in samplings])
        self._holds = torch.stack([_tokens_with(tokenizer, stop) for stop in stops])

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """Return which rows are done, shape ``(rows,)``."""
        last = input_ids[:, -1].cpu()
        done = self._holds[self._stop_of, last] | (input_ids.shape[1] - self.start >= self._limits)
        return done.to(input_ids.device)


def _tokens_with(tokenizer: Any, stop: str) -> torch.Tensor:
    """Return which vocabulary entries contain the stop string (one character: no token border can split it)."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return torch.tensor([bool(stop) and stop in tokenizer.convert_tokens_to_string([piece]) for piece in pieces])
