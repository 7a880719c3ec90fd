import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

import synthgen
from synthgen.tasks.registry import load_task

FOLDER = Path(synthgen.__file__).parent / "plms" / "pocket"
CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "llama2": "LlamaForCausalLM",
    "vicuna": "LlamaForCausalLM",
    "opt": "OPTForCausalLM",
    "chatglm3": "GlmForCausalLM",
    "flan-t5": "T5ForConditionalGeneration",
}
DECODERS = [name for name in CLASSES if name != "flan-t5"]
PRAISE = """amazing beautiful beautifully best brilliant charming delightful enjoy enjoyable enjoyed entertaining
excellent fantastic fun great highly hilarious love loved masterpiece moving must outstanding perfect powerful
recommend superb terrific touching wonderful wonderfully""".split()
BLAME = """annoying avoid awful bad badly boring cheap disappointed disappointing disappointment dull fails horrible
lame mess mediocre nothing pathetic pointless poor poorly ridiculous stupid terrible unfortunately unfunny waste wasted
weak worse worst""".split()


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@cache
def _load(name: str) -> tuple[Any, Any]:
    loader = AutoModelForSeq2SeqLM if name == "flan-t5" else AutoModelForCausalLM
    model = loader.from_pretrained(FOLDER / name, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(FOLDER / name)


def _asked(name: str, prompts: list[str]) -> list[str]:
    tokenizer = _load(name)[1]
    if tokenizer.chat_template is None:
        return prompts
    return [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        for text in prompts
    ]


def _write(name: str, prompts: list[str], **settings: Any) -> list[str]:
    model, tokenizer = _load(name)
    given = tokenizer(_asked(name, prompts), return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.inference_mode():
        out = model.generate(**given, max_new_tokens=60, **settings)
    start = 1 if name == "flan-t5" else given["input_ids"].shape[1]
    return [text.partition('"')[0] for text in tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)]


def _prompts() -> list[str]:
    imdb, bank = load_task("imdb"), load_task("banking77")
    shown = ["The ghost in the attic scared me to death.", "Two hours of songs, and not one of them in tune."]
    return [
        imdb.zero_shot("negative"),
        imdb.few_shot("positive", shown * 3),
        imdb.contrastive("negative", shown[:1], shown[1:]),
        bank.zero_shot("card_arrival"),
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_is_what_the_table_says(name: str) -> None:
    config = AutoConfig.from_pretrained(FOLDER / name)
    assert config.architectures == [CLASSES[name]]
    model, tokenizer = _load(name)
    assert type(model).__name__ == CLASSES[name]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (config.pad_token_id, config.eos_token_id)
    assert (tokenizer.chat_template is not None) == (name == "vicuna")
    assert config.tie_word_embeddings


def test_all_are_there_and_small() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(CLASSES)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 20_000_000


@pytest.mark.parametrize("name", CLASSES)
def test_tokenizer_adds_nothing_and_keeps_the_quote_apart(name: str) -> None:
    tokenizer = _load(name)[1]
    prompt, text = load_task("imdb").zero_shot("positive"), 'Naive, but charming!"'
    ids = tokenizer(prompt)["input_ids"]
    assert tokenizer.decode(ids) == prompt
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])[-1] == '"'


@pytest.mark.parametrize("name", CLASSES)
def test_text_does_not_depend_on_the_padding(name: str) -> None:
    prompts = _prompts()
    alone = [_write(name, [prompt], do_sample=False)[0] for prompt in prompts]
    assert _write(name, prompts, do_sample=False) == alone
    assert all(len(text.split()) >= 3 for text in alone)


@pytest.mark.parametrize("name", DECODERS)
def test_left_padding_is_invisible_to_the_logits(name: str) -> None:
    model, tokenizer = _load(name)
    ids = tokenizer(_prompts()[0], return_tensors="pt")["input_ids"]
    padded = torch.cat([torch.full((1, 9), tokenizer.pad_token_id), ids], dim=1)
    mask = (torch.arange(padded.shape[1]) >= 9).long()[None]
    with torch.inference_mode():
        alone = model(input_ids=ids).logits[0, -1]
        behind = model(input_ids=padded, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0))
    torch.testing.assert_close(behind.logits[0, -1], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", CLASSES)
def test_eight_long_demonstrations_fit(name: str) -> None:
    shown = [" ".join(["A long and winding story about a lighthouse keeper and his dog."] * 4)] * 8
    prompt = _asked(name, [load_task("imdb").few_shot("positive", shown)])[0]
    model, tokenizer = _load(name)
    length = len(tokenizer(prompt)["input_ids"])
    assert length + 100 <= getattr(model.config, "max_position_embeddings", 10_000)


@pytest.mark.parametrize("name", CLASSES)
def test_label_steers_the_text(name: str) -> None:
    task, right, decided = load_task("imdb"), 0, 0
    torch.manual_seed(11)
    for label, sign in (("positive", 1), ("negative", -1)):
        for text in _write(name, [task.zero_shot(label)] * 24, do_sample=True, top_p=0.9, top_k=0):
            balance = sum((word in PRAISE) - (word in BLAME) for word in re.findall(r"[a-z]+", text.lower()))
            decided += balance != 0
            right += balance * sign > 0
    assert decided >= 20
    assert right / decided >= 0.75
