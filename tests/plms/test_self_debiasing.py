"""Self-debiasing (Schick, Udupa and Schuetze 2021): the formula, and that nothing else changes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines import decoding
from synthgen.plms.engines.debiasing import SelfDebiasing
from synthgen.plms.engines.load import load
from synthgen.plms.engines.sampling import RowSampler
from synthgen.plms.engines.transformers import TransformersEngine, open_transformers
from synthgen.plms.serving import Serving
from synthgen.prompt import Prompt
from synthgen.records import Completion, Request, Sampling
from synthgen.seeds import derive_seed

KINDS = ["llama", "gpt2", "opt", "glm", "t5"]
PROMPTS = ["a good film: ", "a film that is as bad as can be, it reads: ", "a film: ", "a short review of the good: "]
TOKENS = 30
"""Longer than a stride."""


def opinionated(folder: Path, **serving: Any) -> Any:
    """Open an engine on a random model that is far from indifferent: prompts make a difference to it."""
    plm = PLM("tiny", str(folder), "local", serving=Serving(**serving))
    model, tokenizer = load(plm, print)
    words = model.get_input_embeddings().weight
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                # T5 makes its logits smaller by the square root of its width.
                weight.normal_(0, 2.0 if weight is words and model.config.is_encoder_decoder else 0.3)
    return TransformersEngine(plm, model, tokenizer)


def ask(n: int, counters: int, debias: float = 20.0, **sampling: Any) -> Request:
    prompt, *others = PROMPTS[n % 4 :] + PROMPTS[: n % 4]
    settings: dict[str, Any] = {"max_tokens": TOKENS, "stop": "", "debias": debias} | sampling
    return Request(f"r{n:02d}", "p", 0, "a", prompt, derive_seed(n), Sampling(**settings), tuple(others[:counters]))


def mixed(count: int) -> list[Request]:
    """Requests with 0 to 3 counters, of several lengths and strengths."""
    return [
        ask(n, n % 5 % 4, debias=[20.0, 200.0, 0.0][n % 3], max_tokens=TOKENS - n % 7, top_p=[1.0, 0.9][n % 2])
        for n in range(count)
    ]


def answers(engine: TransformersEngine, asked: Sequence[Request]) -> list[Completion]:
    return sorted(engine.generate(asked), key=lambda answer: answer.request)


def texts(engine: TransformersEngine, asked: Sequence[Request]) -> dict[str, str]:
    return {answer.request: answer.text for answer in engine.generate(asked)}


def by_the_formula(scores: torch.Tensor, counters: Sequence[torch.Tensor], strength: float) -> torch.Tensor:
    """The debiased distribution of one row, with the factor written out."""
    own = scores.double().softmax(-1)
    worst = torch.stack([counter.double().softmax(-1) for counter in counters]).amax(0)
    factor = torch.exp(-strength * (worst - own).clamp(min=0)).clamp(min=0.01)
    return own * factor / (own * factor).sum()


def variation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Total variation distance."""
    return float((one - other).abs().sum()) / 2


@torch.inference_mode()  # type: ignore[untyped-decorator]
def scores_behind(engine: Any, prompt: str, written: list[int]) -> torch.Tensor:
    """The logits before each token written behind a prompt and after the last, read anew in one piece."""
    model = engine._decoder._model
    ids = engine._tokenizer(prompt, return_tensors="pt")["input_ids"]
    tokens = torch.tensor([written], dtype=torch.long)
    if model.config.is_encoder_decoder:
        begun = torch.full((1, 1), model.generation_config.decoder_start_token_id)
        logits = model(input_ids=ids, decoder_input_ids=torch.cat([begun, tokens], -1)).logits[0]
    else:
        logits = model(input_ids=torch.cat([ids, tokens], -1)).logits[0]
    return logits[-len(written) - 1 :]


class Seen(RowSampler):
    """The real sampler, which also notes what it draws from, and what it draws, by request and token."""

    scores: ClassVar[dict[tuple[str, int], torch.Tensor]] = {}
    drawn: ClassVar[dict[tuple[str, int], int]] = {}

    def __init__(self, requests: Sequence[Request], steps: int, *, skip: int = 0, **more: Any) -> None:
        super().__init__(requests, steps, skip=skip, **more)
        self._names, self._at = [request.id for request in requests], skip

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        forced = super().__call__(input_ids, scores)
        for row, name in enumerate(self._names):
            self.scores[name, self._at] = scores[row].clone()
            self.drawn[name, self._at] = int(forced[row].argmax())
        self._at += 1
        return forced


@given(
    counters=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    strengths=st.lists(st.floats(0, 500), min_size=6, max_size=6),
    sharpness=st.floats(0.1, 8),
    seed=st.integers(0, 999),
)
def test_the_formula(counters: list[int], strengths: list[float], sharpness: float, seed: int) -> None:
    rows = len(counters)
    leaders = [row for row, count in enumerate(counters) for _ in range(count)]
    scores = sharpness * torch.randn(rows + len(leaders), 12, generator=torch.Generator().manual_seed(seed))
    found = SelfDebiasing(strengths[:rows], leaders)(torch.empty(0), scores)
    assert torch.equal(found[rows:], scores[rows:])
    for row, count in enumerate(counters):
        if not count or not strengths[row]:
            assert torch.equal(found[row], scores[row])
            continue
        own = [scores[rows + place] for place, leader in enumerate(leaders) if leader == row]
        wanted = by_the_formula(scores[row], own, strengths[row])
        torch.testing.assert_close(found[row].double().softmax(-1), wanted, atol=1e-5, rtol=1e-3)


def test_no_token_loses_more_than_a_hundredth_leaves_and_none_gains() -> None:
    own, other = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.3, 0.6])
    scores = torch.stack([own, other]).log()
    factor = (SelfDebiasing([1000.0], [0])(torch.empty(0), scores)[0] - scores[0]).exp()
    torch.testing.assert_close(factor, torch.tensor([1.0, 1.0, 0.01]))
    mild = (SelfDebiasing([2.0], [0])(torch.empty(0), scores)[0] - scores[0]).exp()
    torch.testing.assert_close(mild, torch.tensor([1.0, 1.0, math.exp(-2 * 0.4)]))


def test_a_forbidden_token_stays_forbidden() -> None:
    """As where a model's first token is forced."""
    scores = torch.tensor([[-torch.inf, 0.0, -torch.inf], [0.0, 0.0, -torch.inf]])
    found = SelfDebiasing([200.0], [0])(torch.empty(0), scores)
    assert found[0].tolist() == scores[0].tolist()


def test_followers_are_given_their_leaders_token() -> None:
    asked = [ask(n, 0) for n in range(3)]
    scores = torch.randn(7, 50, generator=torch.Generator().manual_seed(0))
    alone = RowSampler(asked, 2)
    led = RowSampler(asked, 2, leaders=[0, 0, 1, 2])
    for _ in range(2):
        drawn = alone(torch.empty(3, 0), scores[:3]).argmax(-1)
        assert led(torch.empty(7, 0), scores).argmax(-1).tolist() == drawn[[0, 1, 2, 0, 0, 1, 2]].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_is_drawn_from_what_the_formula_says(
    kind: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strides, rows that end, prompts of unlike length, and counters that several rows share: all at once."""
    monkeypatch.setattr(decoding, "RowSampler", Seen)
    engine = opinionated(tiny_model(kind))
    Seen.scores.clear()
    Seen.drawn.clear()
    for request, answer in zip(sorted(asked := mixed(24), key=lambda one: one.id), answers(engine, asked), strict=True):
        written = [Seen.drawn[request.id, place] for place in range(answer.completion_tokens)]
        assert engine._tokenizer.decode(written, skip_special_tokens=True) == answer.text
        counters = request.counters if request.sampling.debias else ()
        own, *others = (scores_behind(engine, prompt, written) for prompt in (request.prompt, *counters))
        moved = 0.0
        for place in range(len(written)):
            plain = own[place].double().softmax(-1)
            against = [scores[place] for scores in others]
            wanted = by_the_formula(own[place], against, request.sampling.debias) if against else plain
            found = Seen.scores[request.id, place].double().softmax(-1)
            assert variation(found, wanted) < 1e-4
            moved = max(moved, variation(wanted, plain))
        assert moved > 0.01 or not counters


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_does_not_depend_on_its_neighbours(kind: str, tiny_model: Callable[[str], Path]) -> None:
    engine = opinionated(tiny_model(kind))
    asked = mixed(12)
    alone = {name: text for request in asked for name, text in texts(engine, [request]).items()}
    assert texts(engine, asked) == alone
    assert texts(opinionated(tiny_model(kind), batch_size=5), asked) == alone


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_none_is_none(kind: str, tiny_model: Callable[[str], Path]) -> None:
    """Strength 0, and no counters, are answered as ever, token counts and all."""
    engine = opinionated(tiny_model(kind))
    plain = [ask(n, 0, debias=0.0) for n in range(12)]
    before = list(engine.generate(plain))
    assert list(engine.generate([ask(n, 3, debias=0.0) for n in range(12)])) == before
    assert list(engine.generate([ask(n, 0, debias=200.0) for n in range(12)])) == before
    assert engine.batches([ask(n, 3, debias=0.0) for n in range(12)])[0][0].prompt == engine.batches(plain)[0][0].prompt


def test_the_completion_counts_the_leaders_tokens(tiny_model: Callable[[str], Path]) -> None:
    engine = opinionated(tiny_model("llama"))
    # With a strength that does nothing, texts are those of no debiasing, and so must be what is counted.
    plain = {answer.request: answer for answer in engine.generate([ask(n, 0, debias=0.0) for n in range(12)])}
    for answer in engine.generate([ask(n, 3, debias=1e-12) for n in range(12)]):
        assert replace(answer, cached_tokens=0) == replace(plain[answer.request], cached_tokens=0)
        assert answer.cached_tokens < answer.prompt_tokens


@given(counters=st.lists(st.integers(0, 3), max_size=60), gone=st.sets(st.integers(0, 20)), size=st.integers(1, 9))
def test_batches_count_every_row_and_survive_the_loss_of_others(
    counters: list[int], gone: set[int], size: int, tiny: TransformersEngine
) -> None:
    tiny._size = size
    asked = [ask(n, count) for n, count in enumerate(counters)]
    batches = tiny.batches(asked)
    assert sorted(request.id for batch in batches for request in batch) == sorted(request.id for request in asked)
    assert all(len(batch) == 1 or sum(1 + len(one.counters) for one in batch) <= size for batch in batches)
    left = [batch for place, batch in enumerate(batches) if place not in gone]
    assert tiny.batches([request for batch in left for request in batch]) == left


@pytest.fixture(scope="module")
def tiny(tiny_model: Callable[[str], Path]) -> TransformersEngine:
    return open_transformers(PLM("tiny", str(tiny_model("llama")), "local"))


def bounded(folder: Path, rows: int, told: list[str], held: list[int]) -> TransformersEngine:
    """Open an engine whose model holds only so many rows, and says how many it held."""
    plm = PLM("tiny", str(folder), "local")
    model, tokenizer = load(plm, told.append)

    def weigh(module: Any, args: Any, given: dict[str, Any]) -> None:
        if given["input_ids"].shape[0] > rows:
            raise torch.OutOfMemoryError
        held.append(given["input_ids"].shape[0])

    model.register_forward_pre_hook(weigh, with_kwargs=True)
    return TransformersEngine(plm, model, tokenizer, told.append)


def test_memory_is_counted_in_rows_of_both_kinds(tiny_model: Callable[[str], Path]) -> None:
    asked, told, held = [ask(n, 3) for n in range(8)], list[str](), list[int]()
    roomy = bounded(tiny_model("llama"), 32, told, held)
    whole = texts(roomy, asked)
    assert (told, max(held)) == ([], 32)
    held.clear()
    tight = bounded(tiny_model("llama"), 15, told, held)
    assert texts(tight, asked[:6]) == {name: whole[name] for name in whole if name < "r06"}
    assert (told, max(held)) == (["tiny did not fit 24 rows; batches have 12 now."], 12)
    held.clear()
    assert texts(tight, asked) == whole
    assert (len(told), max(held)) == (1, 12)
    with pytest.raises(SynthgenError, match=r"tokens, 3 more to debias it against, and 30 to write"):
        texts(bounded(tiny_model("llama"), 3, [], []), asked[:1])


def with_shown(instruction: str, shown: Sequence[str]) -> Prompt:
    return Prompt.composed(f"{{shown}}{instruction}", {"shown": shown})


def one(engine: TransformersEngine, request: Request) -> Completion:
    return next(engine.generate([request]))


def test_a_demonstration_is_left_out_of_all_prompts_or_none(tiny_model: Callable[[str], Path]) -> None:
    engine = opinionated(tiny_model("llama"))
    shown = ['"' + "a film of lead " * 8 + '"\n', '"' + "the film was fine " * 8 + '"\n', '"a film of silver"\n']
    short, long = "Good: ", "As bad as can be, " + "and then worse, " * 9
    asked = replace(ask(0, 0), prompt=with_shown(short, shown), counters=(with_shown(long, shown),))
    swapped = replace(asked, prompt=asked.counters[0], counters=(asked.prompt,))
    dropped = [one(engine, replace(request, counters=())).dropped for request in (asked, swapped)]
    assert dropped[0] < dropped[1]
    for request in (asked, swapped):
        found = one(engine, request)
        assert found.dropped == dropped[1]
        kept = "".join(shown[dropped[1] :])
        swap = [kept + short, kept + long] if request is asked else [kept + long, kept + short]
        plain = one(engine, replace(request, prompt=swap[0], counters=(swap[1],)))
        assert replace(found, dropped=0) == plain


def test_a_counter_that_never_fits_is_told(tiny: TransformersEngine) -> None:
    with pytest.raises(UserError, match=r"context of tiny can hold \(256 tokens\)"):
        tiny.batches([replace(ask(0, 1), counters=("word " * 300,))])


def test_texts_keep_away_from_what_the_counter_prompt_would_rather_write(tiny_model: Callable[[str], Path]) -> None:
    engine = opinionated(tiny_model("llama"))
    asked = [replace(ask(0, 1, 200.0, max_tokens=1, top_p=1.0), seed=derive_seed(n)) for n in range(4000)]
    own, other = (scores_behind(engine, prompt, [])[0] for prompt in PROMPTS[:2])
    avoided = other.softmax(-1) > own.softmax(-1)
    before = own.softmax(-1)[avoided].sum().item()
    after = by_the_formula(own, [other], 200.0)[avoided].sum().item()
    rows = [engine._row(request) for request in asked]
    engine._decoder.write(rows)
    share = sum(bool(avoided[row.tokens[0]]) for row in rows) / len(rows)
    # Six standard errors: a false alarm in half a billion.
    error = 6 * math.sqrt(after * (1 - after) / len(rows))
    assert abs(share - after) < error
    assert after + error < before
