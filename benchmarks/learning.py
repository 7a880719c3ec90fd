"""What the STMs learn, beside what a user would write: scikit-learn, a Trainer loop, the published loops.

    python benchmarks/learning.py
    python benchmarks/learning.py --samples 10000 100000 1000000 --encoder 200 2000

Every stage is measured at each of the sizes, in process time on one thread, the best of some runs; microseconds a
sample that stay the same from size to size say that nothing grows faster than its samples. Texts are those of the
scripted engine, each once, of two labels.

features   `TfidfSTM.start` on new texts, and again when all were read before, beside `TfidfVectorizer.fit_transform`
epoch      `watch_epochs` by the epoch, beside `SGDClassifier.partial_fit`, which takes steps of one sample
fit        the head's optimum, beside `LogisticRegression`, L-BFGS too, to the same tolerance
gradient   one loss and gradient, which reads the features twice, 12 bytes a value, beside a copy of as many bytes; this
           is the physical limit of the fit, whose time is nearly all spent there
weights    `adjust_weights`, beside the published loop, which trains anew for each of its 30 updates
influence  of 40 candidates, validated by 100: one solve, beside the inverse of the whole Hessian, with the 300 most
           frequent terms alone, since of all the inverse would not fit in memory
encoder    a fine-tuning of one epoch of a tiny BERT of random weights, beside transformers' Trainer
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import copying
from rows import row, write_rows
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from threadpoolctl import threadpool_limits

from synthgen.downstream.head import fit_head
from synthgen.downstream.influence import influence, validation_gradient
from synthgen.downstream.registry import make_stm
from synthgen.downstream.rows import matrix
from synthgen.downstream.softmax import probabilities
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.downstream.watch import BATCH, EPOCHS, watch_epochs
from synthgen.downstream.weights import adjust_weights
from synthgen.plms.engines.scripted import default_script
from synthgen.records import Request
from synthgen.seeds import derive_seed
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
TERMS, CANDIDATES, JUDGES = 300, 40, 100
SHORT = 64
"""Tokens to which the encoder's texts are cut."""


def texts_of(count: int) -> tuple[list[str], IntArray]:
    """Return texts as the scripted engine writes them, labels in turn, and the labels' ids."""
    labels = np.arange(count) % len(TASK.labels)
    prompts = [TASK.zero_shot(label) for label in TASK.labels]
    draw = TASK.draw(1.0, 0.9)
    texts = [
        default_script(Request(f"r{n}", "llama2", 0, TASK.labels[label], prompts[label], derive_seed("learn", n), draw))
        for n, label in enumerate(labels.tolist())
    ]
    return texts, labels


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the process time of the fastest of some runs."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def beside(stage: str, what: str, count: int, ours: float, other: str, theirs: float) -> dict[str, Any]:
    """Return a row: ours in microseconds a sample, beside theirs."""
    return row(
        stage,
        f"{what}, {count:,} samples",
        microseconds_a_sample=round(1e6 * ours / count, 2),
        seconds=round(ours, 3),
        beside=f"{other}: {theirs:.3f} s",
        ratio=theirs / ours,
    )


def linear(count: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the linear STM."""
    texts, labels = texts_of(count)
    theirs = seconds(lambda: vectoriser().fit_transform(texts), 1)
    stm = TfidfSTM()
    yield beside("features", "new texts", count, seconds(lambda: stm.start(texts), 1), "TfidfVectorizer", theirs)
    yield beside("features", "texts read before", count, seconds(lambda: stm.start(texts)), "TfidfVectorizer", theirs)
    features = stm.start(texts)
    plain, ones = matrix(features), np.ones(count)

    epoch = seconds(lambda: watch_epochs(features, labels, ones, n_labels=2), 1) / EPOCHS
    step = SGDClassifier(loss="log_loss", penalty=None, learning_rate="constant", eta0=3.0 / BATCH, shuffle=True)
    theirs = seconds(lambda: step.partial_fit(plain, labels, classes=[0, 1]))
    yield beside("epoch", f"batches of {BATCH}", count, epoch, "SGDClassifier", theirs)

    optimum = seconds(lambda: fit_head(features, labels, n_labels=2).parameters, 1)
    other = LogisticRegression(tol=1e-7, max_iter=1000)
    yield beside("fit", "optimum", count, optimum, "LogisticRegression", seconds(lambda: other.fit(plain, labels), 1))
    yield limit(features, plain, labels)

    fit: Any = stm.fit
    ours = seconds(lambda: adjust_weights(fit, features, labels, n_labels=2), 1)
    loop = seconds(lambda: adjust_weights(fit, features, labels, n_labels=2, still=-1.0), 1)
    yield beside("weights", "30 updates", count, ours, "30 trainings", loop)
    yield solved(plain, labels)


def vectoriser() -> TfidfVectorizer:
    """Return scikit-learn's with the settings of the STM."""
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)


def limit(features: Any, plain: csr_matrix, labels: IntArray) -> dict[str, Any]:
    """Return how fast one loss and gradient reads the features, beside a copy."""
    loss = fit_head(features, labels, n_labels=2).loss
    parameters = np.zeros(loss.shape)
    moved = 2 * (plain.data.nbytes + plain.indices.nbytes + plain.indptr.nbytes)
    rate, most = moved / seconds(lambda: loss.value_and_gradient(parameters)) / 1e9, copying()
    return row(
        "gradient",
        f"{len(labels):,} samples, {plain.nnz:,} values read twice",
        gb_per_second=round(rate, 2),
        beside=f"a copy: {most:.1f} GB/s",
        ratio=rate / most,
    )


def solved(plain: csr_matrix, labels: IntArray) -> dict[str, Any]:
    """Return what influence takes by one solve, beside the inverse of the Hessian; their difference must be small."""
    frequent = np.argsort(-np.bincount(plain.indices, minlength=plain.shape[1]), kind="stable")[:TERMS]
    small = csr_matrix(plain[:, np.sort(frequent)])
    fit = fit_head(small, labels, n_labels=2)
    _ = fit.parameters
    rows = np.random.default_rng(0).permutation(len(labels))[: CANDIDATES + JUDGES]
    asked, judges = rows[:CANDIDATES], rows[CANDIDATES:]
    given = (small[judges], labels[judges]), (small[asked], labels[asked])
    ours = seconds(lambda: influence(fit, *given))
    found: list[FloatArray] = []

    def inverted() -> None:
        chances, space = probabilities(small, fit.parameters), hstack([small, np.ones((len(labels), 1))], format="csr")
        hessian = fit.loss.l2 * np.eye(2 * (TERMS + 1))
        for one in range(2):
            for two in range(2):
                scale = fit.loss.weights * chances[:, one] * ((one == two) - chances[:, two])
                block = (space.T @ space.multiply(scale[:, None]).tocsr()).toarray()
                span = slice(one * (TERMS + 1), (one + 1) * (TERMS + 1))
                hessian[span, two * (TERMS + 1) : (two + 1) * (TERMS + 1)] += block
        gradient = validation_gradient(fit.parameters, *given[0])
        direction = (np.linalg.inv(hessian) @ gradient.ravel()).reshape(2, -1)
        slopes = probabilities(given[1][0], fit.parameters)
        slopes[np.arange(CANDIDATES), given[1][1]] -= 1
        found.append(-(slopes * (space[asked] @ direction.T)).sum(axis=1))

    theirs = seconds(inverted, 1)
    np.testing.assert_allclose(influence(fit, *given), found[0], rtol=1e-4, atol=1e-10)
    return beside("influence", f"{CANDIDATES} candidates, {TERMS} terms", len(labels), ours, "inverse Hessian", theirs)


def encoder(count: int) -> dict[str, Any]:
    """Return what one epoch of fine-tuning takes beside the Trainer's, batches, lengths and learning rate alike."""
    import torch
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    torch.set_num_threads(1)
    texts, labels = texts_of(count)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tiny(Path(folder) / "bert")
        settings = {"epochs": 1, "held_out": 0, "max_length": SHORT, "batch": 32, "lr": 5e-4}
        stm = make_stm(f"encoder:{folder}/bert", seed=0, options=settings)
        features = stm.start(texts)
        ours = seconds(lambda: stm.fit(features, labels, n_labels=2, short=True), 1)
        model = AutoModelForSequenceClassification.from_pretrained(f"{folder}/bert", num_labels=2)
        read = tokenizer(texts, truncation=True, max_length=SHORT)
        data = [{"input_ids": ids, "labels": label} for ids, label in zip(read["input_ids"], labels, strict=True)]
        given = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=settings["batch"],
            num_train_epochs=1,
            learning_rate=settings["lr"],
            lr_scheduler_type="constant",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            use_cpu=True,
        )
        trainer = Trainer(model, given, train_dataset=data, processing_class=tokenizer)  # type: ignore[arg-type]
        theirs = seconds(trainer.train, 1)
    return beside("encoder", "an epoch of a tiny BERT", count, ours, "Trainer", theirs)


def tiny(folder: Path) -> Any:
    """Write a BERT of two narrow layers over whole words, and return its tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({word for text in texts_of(200)[0] for word in text.lower().replace(".", " ").split()})
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *words])}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    bare.normalizer, bare.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=SHORT,
    )
    BertModel(config).save_pretrained(folder)
    return tokenizer


def report(samples: Sequence[int], encoders: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows, size after size."""
    for count in samples:
        yield from linear(count)
    for count in encoders:
        yield encoder(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--encoder", type=int, nargs="*", help="its samples; by default a fiftieth of the others")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    encoders = [max(32, count // 50) for count in given.samples] if given.encoder is None else given.encoder
    with threadpool_limits(1):
        write_rows(given.json, report(given.samples, encoders))


if __name__ == "__main__":
    main()
