"""An STM for which there is not enough memory is one sentence, and what the PLMs wrote is kept."""

from collections.abc import Callable
from pathlib import Path

from nursery import Nursery, dataset_of
from preludes import NO_REPORT

LONG_TEXTS = """
import random
from synthgen.plms.engines import scripted

def long(request):
    words = [f"{request.label if n % 3 == 0 else 'word'}{n}" for n in range(200)]
    return " ".join(random.Random(request.seed).choices(words, k=40_000)) + "."

scripted.open_scripted = lambda *_, **__: scripted.ScriptedEngine(long)

# Such texts take minutes to be measured, which is not what is tested.
import synthgen.outcome
synthgen.outcome.measure = lambda *_, **__: {}
"""
"""Texts whose terms take tens of megabytes: more than a process has lying about."""

SHORT_OF_MEMORY = """
import resource
from synthgen.downstream.tfidf import TfidfSTM

def start(stm, texts, plain=TfidfSTM.start):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), -1))
    return plain(stm, texts)

TfidfSTM.start = start
"""


def test_an_stm_that_finds_no_memory(nursery: Nursery, recipe_of: Callable[..., Path], tmp_path: Path) -> None:
    long = recipe_of(method="zerogen", rounds=0, samples=20, curate=False)
    words = ("run", long, "--resume", "if-possible")
    whole, out = tmp_path / "whole", tmp_path / "run"
    undisturbed = nursery.run(*words, "--out", whole, prelude=LONG_TEXTS + NO_REPORT)
    assert undisturbed.code == 0, undisturbed.err
    ended = nursery.run(*words, "--out", out, prelude=LONG_TEXTS + SHORT_OF_MEMORY)
    assert ended.code == 1, ended.err
    assert ended.sentence.startswith("There is not enough memory (")
    assert ended.sentence.endswith(
        "free some and go on with --resume, or choose a smaller --stm or fewer samples and another --out."
    )
    assert f"Continue with: synthgen run {out}/recipe.yaml --out {out} --resume" in ended.err
    asked = "from synthgen.runs.journal import Journal\nJournal._append = None\n"
    again = nursery.run(*words, "--out", out, prelude=LONG_TEXTS + asked + NO_REPORT)
    assert again.code == 0, again.err
    assert dataset_of(out) == dataset_of(whole)
