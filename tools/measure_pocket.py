"""Measure the pocket PLMs and write the table of docs/pocket.md: ``python tools/measure_pocket.py --data DIR``."""

import argparse
import json
import pickle
import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pocket import metrics
from pocket.corpus import Corpus, judge, load_corpus, runs
from pocket.sources import POLARITY, key, read_all, rows
from pocket.tastes import TASTES
from pocket.writing import Writer, open_writer

from synthgen.tasks.registry import load_task

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure the models asked for, then the union if all are there, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(TASTES))
    parser.add_argument("--models", type=Path, default=ROOT / "synthgen" / "plms" / "pocket")
    parser.add_argument("--work", type=Path, default=ROOT / ".work" / "pocket")
    parser.add_argument("--texts", type=int, default=600, help="zero-shot imdb texts a label")
    parser.add_argument("--gold", type=int, default=5000, help="reviews of imdb.test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kit = _Kit(options)
    for name in options.only:
        torch.manual_seed(7)
        found = _measure(name, open_writer(options.models / name), kit, options)
        print(name, json.dumps(found), flush=True)
    _write_table(options, _union(kit, options))


class _Kit:
    """What every model is measured with: judges, training runs, an embedding, gold reviews."""

    def __init__(self, options: Any) -> None:
        data, kept = options.data, options.work / "judges.pickle"
        self.corpus: Corpus = load_corpus(data, options.work)
        if not kept.exists():
            kept.write_bytes(pickle.dumps((judge(data), *(_judge_of(data, name) for name in ("subj", "banking77")))))
        self.polarity, self.subj, self.banking = pickle.loads(kept.read_bytes())
        known = {run for text in read_all(data) for run in runs(text.text)}
        self.known = known | {run for piece in self.corpus.pieces for run in runs(piece.text)}
        self.embed = _embedding(self.corpus)
        gold = [row for row, _ in zip(rows(data / "imdb.test.jsonl.gz"), range(options.gold), strict=False)]
        self.gold = [row["text"].replace("<br />", " ") for row in gold]
        self.gold_labels = [POLARITY[int(row["label"])] for row in gold]

    def sentiment(self, texts: list[str], labels: list[str]) -> float:
        return metrics.agreement(self.polarity, texts, [POLARITY.index(label) for label in labels])

    def accuracy(self, texts: list[str], labels: list[str]) -> float:
        return metrics.agreement(metrics.classifier(texts, labels), self.gold, self.gold_labels)


def _judge_of(data: Path, name: str) -> Any:
    train, labels = list(rows(data / f"{name}.train.jsonl.gz")), load_task(name).labels
    return metrics.classifier([row["text"] for row in train], [labels[int(row["label"])] for row in train])


def _embedding(corpus: Corpus) -> Any:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    texts = [piece.text for piece in corpus.pieces if piece.family == "imdb"][::2]
    vectors = TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True)
    return make_pipeline(vectors, TruncatedSVD(128, random_state=0), Normalizer()).fit(texts)


def _measure(name: str, writer: Writer, kit: _Kit, options: Any) -> dict[str, Any]:
    imdb = load_task("imdb")
    asked = [label for label in imdb.labels for _ in range(options.texts)]
    texts = writer.write([imdb.zero_shot(label) for label in asked], imdb.sampling.max_tokens)
    speed = writer.tokens / writer.seconds
    folder = options.models / name
    kept = [(text, label) for text, label in zip(texts, asked, strict=True) if len(text.split()) >= 10]
    random.Random(0).shuffle(kept)
    effect, error, few = _shown(writer, kit)
    found = {
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "parameters": sum(p.numel() for p in writer.model.parameters()),
        "speed": speed,
        **{label: kit.sentiment([t for t, a in zip(texts, asked, strict=True) if a == label],
                                [label] * options.texts) for label in imdb.labels},
        "few_shot": few,
        "sst2": _other(writer, "sst2", 100, kit.sentiment),
        "subj": _other(writer, "subj", 100, lambda t, a: metrics.agreement(kit.subj, t, a)),
        "banking77": _other(writer, "banking77", 4, lambda t, a: metrics.agreement(kit.banking, t, a)),
        "copied": metrics.copied(texts, kit.known),
        "effect": effect,
        "error": error,
        "self_bleu": metrics.self_bleu(texts),
        "words": float(np.mean([len(text.split()) for text in texts])),
        "short": 1 - len(kept) / len(texts),
        "unique": len({key(text) for text in texts}) / len(texts),
        "alone": kit.accuracy([t for t, _ in kept[:1000]], [a for _, a in kept[:1000]]),
    }  # fmt: skip
    (options.work / name / "measures.json").write_text(json.dumps(found), encoding="utf-8")
    (options.work / name / "texts.json").write_text(json.dumps(kept), encoding="utf-8")
    return found


def _other(writer: Writer, name: str, each: int, score: Any) -> float:
    task = load_task(name)
    asked = [label for label in task.labels for _ in range(each)]
    return float(score(writer.write([task.zero_shot(label) for label in asked], task.sampling.max_tokens), asked))


def _shown(writer: Writer, kit: _Kit, sets: int = 50, each: int = 6) -> tuple[float, float, float]:
    """Return effect of demonstrations, its standard error, and label agreement of few-shot prompts.

    A set is a user-review piece and three of its neighbours (mixed labels), none of them seen by every model.
    """
    rng, task, pieces = random.Random(3), load_task("imdb"), kit.corpus.pieces
    heads = [i for i, p in enumerate(pieces) if p.source == "cf" and 12 <= p.words <= 35 and p.confidence > 0.8]
    shown = []
    for i in rng.sample(heads, sets):
        near = [j for j in (*kit.corpus.near[i, :4], *kit.corpus.near[i, 24:28]) if pieces[j].words <= 50]
        chosen = [pieces[i].text, *dict.fromkeys(pieces[j].text for j in near)]
        shown.append(rng.sample(chosen[:7], min(4, len(chosen))) if len(chosen) >= 4 else chosen)
    shown = [texts for texts in shown if len(texts) == 4]
    asked = [task.labels[k % 2] for _ in shown for k in range(each)]
    prompts = [task.few_shot(task.labels[k % 2], texts) for texts in shown for k in range(each)]
    outputs = writer.write(prompts, task.sampling.max_tokens)
    flat = kit.embed.transform(outputs + [text for texts in shown for text in texts])
    cut = len(outputs)
    effect, error = metrics.shown_effect(
        np.nan_to_num(flat[:cut]).reshape(len(shown), each, -1), np.nan_to_num(flat[cut:]).reshape(len(shown), 4, -1)
    )
    return effect, error, kit.sentiment(outputs, asked)


def _union(kit: _Kit, options: Any) -> float | None:
    files = [options.work / name / "texts.json" for name in TASTES]
    if not all(path.exists() for path in files):
        return None
    chosen = [pair for path in files for pair in json.loads(path.read_text(encoding="utf-8"))[:500]]
    found = kit.accuracy([text for text, _ in chosen], [label for _, label in chosen])
    print("union", found, flush=True)
    return found


_COLUMNS = {
    "bytes": ("bytes", "{:,.0f}"),
    "parameters": ("parameters", "{:,.0f}"),
    "speed": ("tokens/s, one thread", "{:.0f}"),
    "negative": ("agreement, negative", "{:.3f}"),
    "positive": ("agreement, positive", "{:.3f}"),
    "few_shot": ("agreement, 4 demonstrations", "{:.3f}"),
    "sst2": ("agreement, sst2 prompts", "{:.3f}"),
    "subj": ("agreement, subj prompts", "{:.3f}"),
    "banking77": ("agreement, banking77 (77 labels)", "{:.3f}"),
    "copied": ("texts with a copied 13-word run", "{:.2%}"),
    "effect": ("effect of demonstrations", "{:.3f}"),
    "error": ("its standard error", "{:.3f}"),
    "self_bleu": ("self-BLEU-4", "{:.3f}"),
    "words": ("mean words", "{:.1f}"),
    "short": ("texts under 10 words", "{:.1%}"),
    "unique": ("unique texts", "{:.1%}"),
    "alone": ("accuracy on imdb.test, 1,000 texts", "{:.3f}"),
}


def _write_table(options: Any, union: float | None) -> None:
    names = [name for name in TASTES if (options.work / name / "measures.json").exists()]
    found = {n: json.loads((options.work / n / "measures.json").read_text(encoding="utf-8")) for n in names}
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for column, (title, form) in _COLUMNS.items():
        lines.append(f"| {title} | " + " | ".join(form.format(found[name][column]) for name in names) + " |")
    if union is not None:
        lines += ["", f"Six times 500 zero-shot texts together: accuracy {union:.3f}."]
    page = ROOT / "docs" / "pocket.md"
    text = page.read_text(encoding="utf-8") if page.exists() else "<!-- table -->\n<!-- end of table -->\n"
    table = "<!-- table -->\n" + "\n".join(lines) + "\n<!-- end of table -->"
    page.write_text(re.sub(r"<!-- table -->.*<!-- end of table -->", lambda _: table, text, flags=re.S), "utf-8")


if __name__ == "__main__":
    main()
