from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.sampling import RowSampler
from synthgen.plms.engines.transformers import open_transformers
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed


def ask(n: int, prompt: str, **sampling: float) -> Request:
    return Request(f"r{n}", "p", 0, "a", prompt, derive_seed(n), Sampling(max_tokens=10, **sampling))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "glm", "t5"])
def test_a_row_does_not_depend_on_its_neighbours(kind: str, tiny_model: Callable[[str], Path]) -> None:
    engine = open_transformers(PLM("tiny", str(tiny_model(kind)), "local"))
    asked = [ask(n, ["short: ", "a longer prompt that needs no padding: "][n % 2]) for n in range(10)]
    together = {answer.request: answer.text for answer in engine.generate(asked)}
    alone = {answer.request: answer.text for request in asked for answer in engine.generate([request])}
    assert together == alone


def test_equal_prompts_are_read_once(tiny_model: Callable[[str], Path]) -> None:
    engine = open_transformers(PLM("tiny", str(tiny_model("llama")), "local"))
    answers = list(engine.generate([ask(n, "the very same prompt: ") for n in range(5)]))
    assert sorted(answer.cached_tokens > 0 for answer in answers) == [False, True, True, True, True]


def test_nucleus_sampling_has_the_right_distribution() -> None:
    """Against the definition: the smallest set of tokens that reaches top_p, renormalised."""
    probabilities = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    asked = [ask(n, "p", top_p=0.8) for n in range(4000)]
    scores = probabilities.log().expand(len(asked), -1)
    drawn = RowSampler(asked, 1)(torch.empty(len(asked), 0), scores).argmax(-1)
    counts = torch.bincount(drawn, minlength=5)
    assert counts[3:].sum() == 0
    expected = probabilities[:3].double() / probabilities[:3].double().sum() * len(asked)
    assert chisquare(counts[:3].numpy(), expected.numpy()).pvalue > 1e-3


def test_temperature_sharpens() -> None:
    scores = torch.tensor([1.0, 0.0]).expand(2000, -1)
    cold = RowSampler([ask(n, "p", temperature=0.2, top_p=1.0) for n in range(2000)], 1)(torch.empty(2000, 0), scores)
    assert (cold.argmax(-1) == 0).float().mean() == pytest.approx(torch.tensor(5.0).sigmoid().item(), abs=0.01)


def test_a_narrow_nucleus_is_found_even_when_every_try_misses_it() -> None:
    scores = torch.full((3000, 50), 0.0)
    scores[:, 7] = 1.0
    drawn = RowSampler([ask(n, "p", top_p=0.01) for n in range(3000)], 1)(torch.empty(3000, 0), scores).argmax(-1)
    assert (drawn == 7).all()


def test_a_row_goes_on_where_it_stopped() -> None:
    asked = [ask(n, "p", top_p=1.0) for n in range(5)]
    scores = torch.zeros(5, 1000)
    whole, later = RowSampler(asked, 6), RowSampler(asked, 2, skip=4)
    drawn = [whole(torch.empty(5, 0), scores).argmax(-1).tolist() for _ in range(6)]
    assert drawn[4:] == [later(torch.empty(5, 0), scores).argmax(-1).tolist() for _ in range(2)]
    assert len({tuple(tokens) for tokens in drawn}) == 6


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be loaded"):
        open_transformers(PLM("nothing", str(tmp_path), "local"))


def test_chat_models_get_their_template(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model("llama"))
    tokenizer.chat_template = "{% for m in messages %}USER: {{ m.content }}{% endfor %} ASSISTANT:"
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(tiny_model("llama")).save_pretrained(tmp_path)
    plain = next(open_transformers(PLM("a", str(tmp_path), "local")).generate([ask(0, "hello")]))
    chat = next(open_transformers(PLM("a", str(tmp_path), "local", chat=True)).generate([ask(0, "hello")]))
    assert chat.prompt_tokens > plain.prompt_tokens
