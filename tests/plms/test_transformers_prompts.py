"""What the engine sends: the context's limit, demonstrations left out, chat templates."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.prompts import context_of
from synthgen.plms.engines.transformers import TransformersEngine, open_transformers
from synthgen.plms.resolve import resolve_plm
from synthgen.plms.serving import Serving
from synthgen.prompt import Prompt, shortened
from synthgen.records import Completion, Request, Sampling
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

CONTEXT = 256
TEMPLATE = "{% for m in messages %}<s>USER: {{ m.content }}{% endfor %} ASSISTANT:"


def ask(prompt: str, n: int = 0, tokens: int = 10) -> Request:
    return Request(f"r{n}", "p", 0, "a", prompt, derive_seed(n), Sampling(max_tokens=tokens))


def one(engine: TransformersEngine, request: Request) -> Completion:
    return next(engine.generate([request]))


@pytest.fixture(scope="module")
def llama(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llama")


@pytest.fixture(scope="module", params=[False, True], ids=["base", "chat"])
def engine(request: pytest.FixtureRequest, llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    template = tmp_path_factory.mktemp("template") / "chat.jinja"
    template.write_text(TEMPLATE)
    chat = {"chat": True, "template": str(template)} if request.param else {}
    return open_transformers(PLM("tiny", str(llama), "local", **chat))  # type: ignore[arg-type]


@settings(max_examples=25)
@given(words=st.lists(st.integers(1, 60), max_size=8), tokens=st.integers(1, 100))
def test_demonstrations_go_from_the_left_and_no_more_than_must(
    engine: TransformersEngine, llama: Path, words: list[int], tokens: int
) -> None:
    shown = [f'"{"a film " * count}"\n' for count in words]
    prompt = Prompt.composed("Here are reviews:\n{shown}Another review reads: ", {"shown": shown})
    completion = one(engine, ask(prompt, tokens=tokens))
    sent = shortened(prompt, completion.dropped)
    assert sent is not None
    assert sent.startswith("Here are reviews:\n")
    assert sent.endswith("".join(shown[completion.dropped :]) + "Another review reads: ")
    tokenizer = AutoTokenizer.from_pretrained(llama)

    def length(text: str) -> int:
        chat = f"<s>USER: {text} ASSISTANT:" if engine._plm.chat else text
        return len(tokenizer(chat)["input_ids"])

    assert completion.prompt_tokens == length(sent) <= CONTEXT - tokens
    if completion.dropped:
        fuller = shortened(prompt, completion.dropped - 1)
        assert fuller is not None
        assert length(fuller) > CONTEXT - tokens


def test_a_shortened_prompt_is_answered_as_the_short_one_is(engine: TransformersEngine) -> None:
    shown = ['"' + "a film of lead " * 20 + '"\n', '"a film of silver"\n']
    long = Prompt.composed("Reviews:\n{shown}Another: ", {"shown": shown * 2})
    completion = one(engine, ask(long))
    short = shortened(long, completion.dropped)
    assert completion.dropped > 0
    assert short is not None
    assert one(engine, ask(str(short))) == replace(completion, dropped=0)


def test_what_never_fits_is_told(llama: Path) -> None:
    engine = open_transformers(PLM("tiny", str(llama), "local"))
    for prompt in ("word " * 300, Prompt.composed("word " * 300 + "{shown}", {"shown": ["shown"]})):
        with pytest.raises(UserError, match=r"context of tiny can hold \(256 tokens\)"):
            one(engine, ask(prompt))
    with pytest.raises(UserError, match="a text of 300"):
        one(engine, ask("x: ", tokens=300))


def test_relative_positions_have_no_limit(tiny_model: Callable[[str], Path]) -> None:
    engine = open_transformers(PLM("tiny", str(tiny_model("t5")), "local"))
    completion = one(engine, ask("a review " * 400))
    assert completion.prompt_tokens > 512
    assert completion.dropped == 0
    short = open_transformers(PLM("tiny", str(tiny_model("t5")), "local", serving=Serving(max_model_len=64)))
    prompt = Prompt.composed("{shown}Another: ", {"shown": ["a review "] * 40})
    completion = one(short, ask(prompt, tokens=50))
    assert completion.dropped > 0
    assert completion.prompt_tokens <= 64


@pytest.mark.parametrize(
    ("config", "asked", "context"),
    [
        (transformers.GPT2Config(n_positions=1024), None, 1024),
        (transformers.LlamaConfig(max_position_embeddings=4096), None, 4096),
        (transformers.LlamaConfig(max_position_embeddings=4096), 512, 512),
        (transformers.LlamaConfig(max_position_embeddings=4096), 9999, 4096),
        (transformers.T5Config(n_positions=512), None, None),
        (transformers.BloomConfig(), 300, 300),
        (transformers.Gemma3Config(text_config={"max_position_embeddings": 777}), None, 777),
        (transformers.MptConfig(max_seq_len=555), None, 555),
    ],
)
def test_the_context_is_what_the_configuration_says(config: Any, asked: int | None, context: int | None) -> None:
    assert context_of(PLM("p", "m", "hub", serving=Serving(max_model_len=asked)), config) == context


def saved_with(template: str, llama: Path, folder: Path) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(llama)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    AutoModelForCausalLM.from_pretrained(llama).save_pretrained(folder)
    return folder


def test_the_users_template_beats_the_tokenizers(llama: Path, tmp_path: Path) -> None:
    folder = str(saved_with(TEMPLATE, llama, tmp_path))
    file = tmp_path / "mine.jinja"
    file.write_text("{% for m in messages %}{{ m.content }}{% endfor %} and on for many words more")
    own = one(open_transformers(PLM("a", folder, "local", chat=True)), ask("hello"))
    mine = one(open_transformers(PLM("a", folder, "local", chat=True, template=str(file))), ask("hello"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert own.prompt_tokens == len(tokenizer("<s>USER: hello ASSISTANT:")["input_ids"])
    assert mine.prompt_tokens == len(tokenizer("hello and on for many words more")["input_ids"])


def test_templates_know_no_date_and_no_thoughts(llama: Path, tmp_path: Path) -> None:
    template = "{{ strftime_now('%d %b %Y') }}: {% if enable_thinking is false %}quick{% else %}slow{% endif %}"
    completion = one(
        open_transformers(PLM("a", str(saved_with(template, llama, tmp_path)), "local", chat=True)), ask("x")
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert completion.prompt_tokens == len(tokenizer("26 Jul 2024: quick")["input_ids"])


def test_a_template_that_is_missing_or_broken_is_told(llama: Path, tmp_path: Path) -> None:
    plm = PLM("tiny", str(llama), "local", chat=True)
    with pytest.raises(UserError, match=r"--set serving\.tiny\.chat=false"):
        open_transformers(plm)
    with pytest.raises(UserError, match="cannot be read"):
        open_transformers(replace(plm, template=str(tmp_path / "nowhere.jinja")))
    for text in ("{{ raise_exception('no user may speak') }}", "{% if %}"):
        (tmp_path / "bad.jinja").write_text(text)
        engine = open_transformers(replace(plm, template=str(tmp_path / "bad.jinja")))
        with pytest.raises(UserError, match="chat template of tiny cannot be used"):
            one(engine, ask("hello"))


def test_a_chat_model_goes_on_behind_a_quote() -> None:
    """Pocket vicuna closes the quote and then ends its turn, by itself."""
    engine = open_transformers(resolve_plm("vicuna", "pocket"))
    prompt = load_task("imdb").zero_shot("positive")
    answers = list(engine.generate([ask(prompt, n, tokens=100) for n in range(16)]))
    ended = [answer for answer in answers if answer.finish == "stop"]
    assert len(ended) > 8
    assert all(answer.text.endswith('"') for answer in ended)
