"""Train the pocket PLMs: ``python tools/train_pocket.py --data DIR [--only NAME] [--steps N] [--jobs 2]``."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pocket.corpus import Corpus, load_corpus
from pocket.examples import Examples
from pocket.models import set_generation, sharpen, train_tokenizer, untrained, wrap
from pocket.tastes import TASTES
from pocket.training import Plan, train
from tokenizers import Tokenizer

from synthgen.plms.pocket import POCKET, seal_pocket
from synthgen.tasks.registry import load_task

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Train one model, or all of them in ``--jobs`` processes of one thread each."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(options.data, options.work)
    tokenizer = _tokenizer(corpus, options.work)
    if options.only:
        _train_one(options.only, corpus, tokenizer, options)
    else:
        _train_all(options)
    if options.out == POCKET:
        seal_pocket()


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument("--only", choices=list(TASTES))
    parser.add_argument("--steps", type=int, default=1700)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--out", type=Path, default=POCKET)
    parser.add_argument("--work", type=Path, default=ROOT / ".work" / "pocket", help="corpus, checkpoints and logs")
    parser.add_argument("--device", default="auto", help="auto takes cuda when there is one")
    parser.add_argument("--rate", type=float, default=3e-3)
    return parser.parse_args()


def _tokenizer(corpus: Corpus, work: Path) -> Tokenizer:
    kept = work / "tokenizer.json"
    if not kept.exists():
        prompts = [
            prompt.partition('"')[0]
            for task in map(load_task, ("imdb", "sst2", "subj", "banking77"))
            for label in task.labels
            for prompt in (task.zero_shot(label), task.few_shot(label, ["A."]), task.contrastive(label, ["A."], ["A."]))
        ]
        train_tokenizer(_one_of_each(corpus) + prompts + ["USER: ASSISTANT:"] * 50).save(str(kept))
    return Tokenizer.from_file(str(kept))


def _one_of_each(corpus: Corpus) -> list[str]:
    """Return every sentence once, and the lower-case form of a third of them."""
    single = [piece.text for piece in corpus.pieces if piece.sentences == 1 or piece.source != "cf"]
    return single + [text.lower() for text in single[::3]]


def _train_one(name: str, corpus: Corpus, tokenizer: Tokenizer, options: Any) -> None:
    work = options.work / name
    work.mkdir(parents=True, exist_ok=True)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    model = untrained(name).to(device)
    plan = Plan(steps=options.steps, seed=options.seed, rate=options.rate)
    with (work / "log").open("a") as log:

        def note(line: str) -> None:
            print(f"{time.strftime('%H:%M:%S')} {name} {line}", file=log, flush=True)

        note(f"{sum(p.numel() for p in model.parameters()):,} parameters on {device}")
        train(model, Examples(corpus, TASTES[name], tokenizer), plan, work, note)
    _save(name, model, tokenizer, options.out / name)


def _save(name: str, model: Any, tokenizer: Tokenizer, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    set_generation(model, name)
    sharpen(model.eval(), TASTES[name].sharpness)
    model.half().save_pretrained(out)
    wrap(tokenizer, name).save_pretrained(out)
    vocabulary = out / "tokenizer.json"
    compact = json.dumps(json.loads(vocabulary.read_text(encoding="utf-8")), separators=(",", ":"))
    vocabulary.write_text(compact, encoding="utf-8")
    (out / "model.safetensors").chmod(0o644)


def _train_all(options: Any) -> None:
    waiting, running = list(TASTES), list[subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < options.jobs:
            own = [sys.executable, __file__, *sys.argv[1:], "--only", waiting.pop(0)]
            running.append(subprocess.Popen(own, env={**os.environ, "OMP_NUM_THREADS": "1"}))
        time.sleep(2)
        if any(job.poll() not in {None, 0} for job in running):
            raise SystemExit("a training process failed; its message stands above, and a rerun continues it")
        running = [job for job in running if job.poll() is None]


if __name__ == "__main__":
    main()
