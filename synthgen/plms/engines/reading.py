"""Read the prompts of a batch: equal ones once, and what all of them begin with once."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from synthgen.plms.engines.cache import roomy
from synthgen.plms.engines.memory import out_of_memory
from synthgen.plms.engines.shared_prefix import ATTENTION, behind

SHORTEST = 32
"""Tokens that all prompts of a batch must begin with to be shared."""
WORTH_SHARING = 400
"""Tokens, over all rows, that must not be kept again; for fewer, another pass through the model costs what it saves."""

_STRETCHED = {"dynamic", "longrope"}
"""Rotary embeddings under which the states of a prefix depend on how much follows it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What rows continue: ``ids`` and ``mask`` of their prompts, each of shape ``(rows, longest)``.

    ``states`` are the arguments of ``generate`` that carry what was read. Every row begins with the same ``shared``
    tokens, which were read once; behind them, shorter prompts are filled up.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    states: dict[str, Any]
    shared: int


class Reader:
    """Reads for a causal or encoder-decoder model; ``pad`` fills prompts up to the longest.

    The attention of a causal model is exchanged when rows first have a prefix to share, and only where that changes
    nothing but speed.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self._model = model
        self._pad = pad
        self._encoder_decoder = bool(model.config.is_encoder_decoder)
        relative = getattr(model.config, "relative_attention_num_buckets", None)
        self._counts_from_left = self._encoder_decoder and not relative
        self._spread = len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1

    def read(self, prompts: Sequence["array[int]"], rows: Sequence[int]) -> Read:
        """Read the distinct ``prompts``; ``rows`` says which of them each row continues."""
        place = torch.tensor(rows, device=self._model.device)
        shared = 0 if self._encoder_decoder else _shared(prompts)
        if shared >= SHORTEST and shared * (len(rows) - 1) >= WORTH_SHARING and self._shares:
            ids, mask = self._padded(prompts, shared)
            states = self._behind_prefix(ids, mask, place, shared)
        else:
            shared = 0
            ids, mask = self._padded(prompts, 0)
            states = (self._encoded if self._encoder_decoder else self._each)(ids, mask, place)
        return Read(ids[place], mask[place], states, shared)

    def select(self, cache: Any, rows: torch.Tensor) -> None:
        """Keep some rows of ``cache``, or repeat them."""
        # Layers may lie on several devices; an index in main memory is good on each.
        cache.batch_select_indices(rows.cpu() if self._spread else rows)

    def _padded(self, prompts: Sequence["array[int]"], shared: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and mask, shape ``(prompts, longest)``, filled up behind the ``shared`` tokens, where a decoder
        does not go on; on the right for an encoder that counts its positions from the left, whatever the mask says.
        """
        longest = max(len(tokens) for tokens in prompts)
        ids = torch.full((len(prompts), longest), self._pad)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(prompts):
            read = torch.frombuffer(tokens, dtype=torch.int32)
            rest = slice(len(tokens)) if self._counts_from_left else slice(longest - len(tokens) + shared, None)
            for place, part in ((slice(shared), read[:shared]), (rest, read[shared:])):
                ids[row, place] = part
                mask[row, place] = 1
        return ids.to(self._model.device), mask.to(self._model.device)

    def _encoded(self, ids: torch.Tensor, mask: torch.Tensor, place: torch.Tensor) -> dict[str, Any]:
        states = self._model.get_encoder()(input_ids=ids, attention_mask=mask)
        states.last_hidden_state = states.last_hidden_state[place.to(states.last_hidden_state.device)]
        # Given here because the one `generate` makes counts the encoder's layers, not the decoder's.
        return {"encoder_outputs": states, "past_key_values": EncoderDecoderCache(DynamicCache(), DynamicCache())}

    def _each(self, ids: torch.Tensor, mask: torch.Tensor, place: torch.Tensor) -> dict[str, Any]:
        """Read all of every prompt but its last token."""
        if ids.shape[1] < 2:
            return {}
        cache = self._forward(ids, mask, None, until=ids.shape[1] - 1).past_key_values
        self.select(cache, place)
        return {"past_key_values": roomy(cache)}

    def _behind_prefix(self, ids: torch.Tensor, mask: torch.Tensor, place: torch.Tensor, shared: int) -> dict[str, Any]:
        """Read the first ``shared`` tokens once, then what follows in every prompt but its last token."""
        cache = behind(self._forward(ids[:1], mask[:1], None, until=shared).past_key_values)
        if shared < ids.shape[1] - 1:
            self._forward(ids, mask, cache, until=ids.shape[1] - 1)
        self.select(cache, place)
        return {"past_key_values": cache}

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, *, until: int) -> Any:
        """Read on from the end of ``cache``; the logits are those of the last token."""
        behind_cache = slice(cache.get_seq_length() if cache is not None else 0, until)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        return self._model(
            input_ids=ids[:, behind_cache],
            attention_mask=mask[:, :until],
            position_ids=positions[:, behind_cache],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )

    @cached_property
    def _shares(self) -> bool:
        config = self._model.config
        rotary = getattr(config.get_text_config(), "rope_parameters", None) or {}
        kinds = {value.get("rope_type") for value in (rotary, *rotary.values()) if isinstance(value, dict)}
        if self._spread or config._attn_implementation not in {"sdpa", ATTENTION} or kinds & _STRETCHED:
            return False
        self._model.set_attn_implementation(ATTENTION)
        agrees = config._attn_implementation == ATTENTION and self._agrees()
        if not agrees:
            self._model.set_attn_implementation("sdpa")
        return agrees

    def _agrees(self) -> bool:
        """Whether logits behind a shared prefix are those of plain reading, on prompts of unlike length."""
        generator = torch.Generator().manual_seed(0)
        known = self._model.get_input_embeddings().weight.shape[0]
        drawn = torch.randint(known, (4, SHORTEST), generator=generator).tolist()
        prompts = [array("i", [*drawn[0], *drawn[row][: 3 * row]]) for row in (1, 2, 3)]
        ids, mask = self._padded(prompts, SHORTEST)
        place, last = torch.tensor([2, 0, 1, 0], device=ids.device), ids.shape[1]
        try:
            cache = self._behind_prefix(ids[:, :-1], mask[:, :-1], place, SHORTEST)["past_key_values"]
            found = [self._forward(ids[place], mask[place], cache, until=until) for until in (last - 1, last)]
        except Exception as error:
            # A model may ask its cache or its attention for what sharing cannot do, in whatever way.
            if out_of_memory(error):
                raise
            return False
        wanted = [self._forward(ids[place], mask[place], None, until=until) for until in (last - 1, last)]
        return all(_alike(one.logits, other.logits) for one, other in zip(found, wanted, strict=True))


def _shared(prompts: Sequence["array[int]"]) -> int:
    """Return how many tokens all prompts begin with, and leave each at least one."""
    # What the first and the last in order begin with, all between them begin with.
    pairs = zip(min(prompts), max(prompts), strict=False)
    shortest = min(map(len, prompts))
    return min(next((place for place, (one, other) in enumerate(pairs) if one != other), shortest), shortest - 1)


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two logits differ by rounding, in the format the model computes in."""
    allowed = torch.finfo(one.dtype).eps ** 0.5
    one, other = one.float(), other.float()
    return bool((one - other).square().mean().sqrt() <= allowed * other.std())
