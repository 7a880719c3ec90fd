"""Train one pocket PLM: length-bucketed batches, weighted loss, Muon and AdamW, checkpoints."""

import copy
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, dropout, softplus
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pocket.examples import Example, Examples

POOL_TOKENS = 40_000
RIVAL_WEIGHT = 0.25
_ENDS = {"o_proj", "out_proj", "c_proj", "o", "down_proj", "fc2", "wo", "embed_tokens", "wte", "shared"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast: ``tokens`` a batch, padding included; rates decay to zero over ``steps``."""

    steps: int
    tokens: int = 3_200
    rate: float = 3e-3
    matrix_rate: float = 3e-3
    warm_up: int = 60
    seed: int = 12345
    dropout: float = 0.05
    save_every: float = 120.0


def batches(examples: Examples, plan: Plan, skip: int) -> Iterator[list[Example]]:
    """Yield batches of examples of like length, the same ones for the same plan; the first ``skip`` are not made again.

    Every pool of about forty thousand tokens has its own seed and is cut into batches, which are shuffled.
    """
    step, pool = 0, 0
    while True:
        rng = random.Random(plan.seed * 1_000_003 + pool)
        early = step < 0.4 * plan.steps
        drawn: list[Example] = []
        size = 0
        while size < POOL_TOKENS:
            drawn.append(examples.draw(rng, 0.72 if early else 0.45, 0.06 if early else 0.14))
            size += len(drawn[-1].weights)
        drawn.sort(key=lambda example: (len(example.weights), len(example.target)))
        cut: list[list[Example]] = [[]]
        for example in drawn:
            if (len(cut[-1]) + 1) * len(example.weights) > plan.tokens and cut[-1]:
                cut.append([])
            cut[-1].append(example)
        rng.shuffle(cut)
        for batch in cut:
            step += 1
            if step > skip:
                yield batch
        pool += 1


def loss_of(model: Any, batch: list[Example], shift: int, rivals: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss to learn from and the plain mean loss of the targets.

    The first is the weighted token loss, and with ``rivals`` a term after GeDi (Krause et al. 2021) that makes a text
    likelier after its own label than after another.
    """
    with_rival = [i for i, example in enumerate(batch) if example.rival] if rivals else []
    items = batch + [
        Example(one.rival, one.target, [0.0] * len(one.rival) + [1.0] * len(one.target))
        for one in (batch[i] for i in with_rival)
    ]
    each, rows, weight = (_encoder_decoder_losses if model.config.is_encoder_decoder else _losses)(model, items, shift)
    own = rows < len(batch)
    loss = (each * weight)[own].sum() / weight[own].sum()
    if with_rival:
        whole = torch.zeros(len(items), device=each.device).index_add(0, rows, each * (weight >= 1.0))
        gap = whole[len(batch) :] - whole[torch.tensor(with_rival, device=each.device)]
        loss = loss + RIVAL_WEIGHT * softplus(-0.5 * gap).mean()
    return loss, each.detach()[own & (weight >= 1.0)].mean()


def _losses(model: Any, items: list[Example], shift: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    device = model.device
    ids = _padded([e.prompt + e.target for e in items], 0).to(device)
    weights = _padded([e.weights for e in items], 0.0)[:, 1:].to(device)
    positions = {"position_ids": torch.arange(ids.shape[1] - 1, device=device)[None] + shift} if shift else {}
    states = model.base_model(input_ids=ids[:, :-1], use_cache=False, **positions).last_hidden_state
    chosen = weights > 0
    logits = model.get_output_embeddings()(states[chosen]).float()
    each = cross_entropy(logits, ids[:, 1:][chosen], reduction="none")
    return each, chosen.nonzero()[:, 0], weights[chosen]


def _encoder_decoder_losses(
    model: Any, items: list[Example], _: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    device = model.device
    prompts, mask = _padded([e.prompt for e in items], 0), _padded([[1] * len(e.prompt) for e in items], 0)
    wanted = _padded([e.target for e in items], -1).to(device)
    given = _padded([[0, *e.target[:-1]] for e in items], 0)
    logits = model(
        input_ids=prompts.to(device), attention_mask=mask.to(device), decoder_input_ids=given.to(device)
    ).logits
    chosen = wanted >= 0
    each = cross_entropy(logits[chosen].float(), wanted[chosen], reduction="none")
    return each, chosen.nonzero()[:, 0], torch.ones_like(each)


def _padded(sequences: list[Any], fill: float) -> torch.Tensor:
    longest = max(map(len, sequences))
    return torch.tensor([[*sequence, *[fill] * (longest - len(sequence))] for sequence in sequences])


def optimizers(model: Any, plan: Plan) -> list[torch.optim.Optimizer]:
    """Return AdamW for vectors and embeddings and Muon for the inner matrices (Jordan et al. 2024).

    T5 divides its logits by the root of the width and does not divide its attention scores by the root of the head's:
    its embedding learns faster and its queries slower by as much, so that both move as in the other models.
    """
    t5 = model.config.model_type == "t5"
    embed_rate = plan.rate * math.sqrt(model.config.d_model) if t5 else plan.rate
    query_rate = plan.matrix_rate / math.sqrt(model.config.d_kv) if t5 else plan.matrix_rate
    inner, queries, embeds, plain = (list[torch.nn.Parameter]() for _ in range(4))
    for name, parameter in model.named_parameters():
        if any(part in name for part in ("wte", "embed_tokens", "shared", "lm_head")):
            embeds.append(parameter)
        elif parameter.ndim != 2 or any(part in name for part in ("wpe", "embed_positions", "relative_attention_bias")):
            plain.append(parameter)
        else:
            (queries if t5 and name.endswith(".q.weight") else inner).append(parameter)
    groups: list[dict[str, Any]] = [{"params": plain, "lr": plan.rate}, {"params": embeds, "lr": embed_rate}]
    matrices: list[dict[str, Any]] = [{"params": inner, "lr": plan.matrix_rate}, {"params": queries, "lr": query_rate}]
    matrices = [group for group in matrices if group["params"]]
    return [
        torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0),
        torch.optim.Muon(matrices, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    ]


def working_copy(model: Any) -> Any:
    """Return a bfloat16 copy to compute with, or the model itself where bfloat16 is slow.

    Its attention still runs in float32 on a CPU: the bfloat16 backward pass of that kernel is three times slower.
    """
    on_cpu = model.device.type == "cpu"
    if on_cpu and not torch.cpu._is_avx512_bf16_supported():
        return model
    worker = copy.deepcopy(model).bfloat16()
    if on_cpu and not model.config.is_encoder_decoder:
        worker.set_attn_implementation("sdpa32")
    return worker


def _attend(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
    mask = mask if mask is None or mask.dtype == torch.bool else mask.float()
    out, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return out.to(query.dtype), weights


def add_dropout(worker: Any, share: float) -> None:
    """Drop ``share`` of every sublayer's output and of the embeddings while training; most classes have no such switch.

    The user reviews are few (300,000 different words): without it the models learn them by heart.
    """

    def dropped(module: Any, given: Any, out: Any) -> Any:
        return dropout(out, share, training=module.training)

    for name, module in worker.named_modules():
        if name.rpartition(".")[2] in _ENDS:
            module.register_forward_hook(dropped)


AttentionInterface.register("sdpa32", _attend)
AttentionMaskInterface.register("sdpa32", sdpa_mask)


class Trainer:
    """A model in float32, the copy that computes, and what moves them. ``step`` and ``seen`` (tokens) count on."""

    def __init__(self, model: Any, plan: Plan, work: Path) -> None:
        self.model, self.plan, self.kept = model, plan, work / "checkpoint.pt"
        self.step = self.seen = 0
        self.optims = optimizers(model, plan)
        self.rates = [[group["lr"] for group in optim.param_groups] for optim in self.optims]
        self.shifts = random.Random(plan.seed)
        if self.kept.exists():
            self._load()
        self.worker = working_copy(model)
        add_dropout(self.worker, plan.dropout)
        self.worker.train()

    def learn(self, batch: list[Example]) -> float:
        """Take one step and return the mean loss of the targets."""
        factor = min((self.step + 1) / self.plan.warm_up, 1.0) * _decay(self.step / self.plan.steps)
        for optim, rates in zip(self.optims, self.rates, strict=True):
            for group, rate in zip(optim.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        loss, target_loss = loss_of(self.worker, batch, self._shift(batch), rivals=self.step % 2 == 0)
        loss.backward()
        pairs = list(zip(self.model.parameters(), self.worker.parameters(), strict=True))
        if self.worker is not self.model:
            for own, computed in pairs:
                own.grad = None if computed.grad is None else computed.grad.float()
                computed.grad = None
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optim in self.optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        if self.worker is not self.model:
            with torch.no_grad():
                for own, computed in pairs:
                    computed.copy_(own)
        self.step += 1
        self.seen += sum(len(example.weights) for example in batch)
        return float(target_loss)

    def _shift(self, batch: list[Example]) -> int:
        """Move a fifth of the batches of a model with learned positions to later ones, so that all are trained."""
        if self.model.config.model_type not in {"gpt2", "opt"}:
            return 0
        room = self.model.config.max_position_embeddings - max(len(example.weights) for example in batch)
        wanted, where = self.shifts.random() < 0.2, self.shifts.random()
        return int(where * room) if wanted else 0

    def save(self) -> None:
        """Write the checkpoint."""
        part = self.kept.with_suffix(".part")
        states = [optim.state_dict() for optim in self.optims]
        state = {"model": self.model.state_dict(), "optimizers": states, "step": self.step, "seen": self.seen}
        torch.save(state, part)
        part.replace(self.kept)

    def _load(self) -> None:
        state = torch.load(self.kept, map_location=self.model.device)
        self.step, self.seen = state["step"], state["seen"]
        self.model.load_state_dict(state["model"])
        for optim, saved in zip(self.optims, state["optimizers"], strict=True):
            optim.load_state_dict(saved)


def train(model: Any, examples: Examples, plan: Plan, work: Path, note: Callable[[str], None]) -> None:
    """Train ``model`` in place; continue from the checkpoint in ``work`` if there is one. ``note`` takes log lines."""
    trainer = Trainer(model, plan, work)
    if trainer.step >= plan.steps:
        return
    began = saved_at = time.monotonic()
    from_step, from_seen, losses = trainer.step, trainer.seen, list[float]()
    for batch in batches(examples, plan, trainer.step):
        if trainer.step >= plan.steps:
            break
        losses.append(trainer.learn(batch))
        step, spent = trainer.step, time.monotonic() - began
        if step % 50 == 0 or step == plan.steps:
            rate, left = (trainer.seen - from_seen) / spent, (plan.steps - step) * spent / (step - from_step)
            loss = sum(losses) / len(losses)
            note(f"step {step}/{plan.steps} loss {loss:.3f} {rate:.0f} tok/s, {left / 60:.1f} min left")
            losses.clear()
        if time.monotonic() - saved_at > plan.save_every or step == plan.steps:
            trainer.save()
            saved_at = time.monotonic()
    done = {"steps": trainer.step, "tokens": trainer.seen, "seconds": round(time.monotonic() - began)}
    (work / "done.json").write_text(json.dumps(done), encoding="utf-8")


def _decay(done: float) -> float:
    """Return the rate's share: whole for the first fifth, then a cosine down to zero."""
    return 1.0 if done < 0.2 else 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))
