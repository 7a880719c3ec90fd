import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.downstream.stm import IntArray

Pool = tuple[list[str], IntArray]

_GOOD = ["warm", "gripping", "funny", "clever", "moving", "superb", "honest", "lovely"]
_BAD = ["dull", "clumsy", "boring", "hollow", "tired", "messy", "dreary", "awful"]
_THINGS = ["plot", "cast", "score", "ending", "dialogue", "pacing", "camera", "script"]
_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "was", "and", *_GOOD, *_BAD, *_THINGS]


@pytest.fixture(scope="session")
def reviews() -> Callable[[int, int], Pool]:
    """Return n toy reviews that two word lists separate, and their labels (1 is good)."""

    def write(n: int, seed: int) -> Pool:
        random = np.random.default_rng(seed)
        labels = np.arange(n) % 2
        texts = []
        for label in labels:
            tone = random.choice(_GOOD if label else _BAD, 3, replace=False)
            thing = random.choice(_THINGS, 3, replace=False)
            texts.append(" and ".join(f"the {noun} was {word}" for noun, word in zip(thing, tone, strict=True)))
        return texts, labels

    return write


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Callable[..., Pool]:
    """Read n recorded zero-shot reviews of one PLM, both labels equally often (1 is positive)."""

    def read(plm: str, n: int) -> Pool:
        with gzip.open(shared_data / "recorded" / "imdb" / f"{plm}.zeroshot.jsonl.gz", "rt", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = [json.loads(line) for line in file]
        chosen = []
        for label in (0, 1):
            chosen += [(row["C"], label) for row in rows if 1 - row["Y"] == label][: n // 2]
        return [text for text, _ in chosen], np.array([label for _, label in chosen])

    return read


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A tokenizer of the toy reviews' whole words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(_VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    """A folder with a BERT of random weights over whole words, of one narrow layer."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny") / "bert"
    tiny_tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(_VOCABULARY),
            hidden_size=48,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=48,
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_bert: Path) -> Path:
    """The same as a sentence-transformers model."""
    from sentence_transformers import SentenceTransformer

    folder = tiny_bert.parent / "encoder"
    SentenceTransformer(str(tiny_bert), device="cpu").save(str(folder))
    return folder
