"""One full round of feedback beside the published procedure, re-enacted with the same STM: time, and what is chosen.

    python benchmarks/feedback.py --pools recorded/imdb --train imdb.train.jsonl.gz --gold imdb.test.jsonl.gz

Recorded zero-shot texts of FuseGen's six PLMs, 1,000 each, stand for the samples so far. Ours is `FuseGen.learn` and
`FuseGen.select`. The published round trains 188 STMs (an epoch is our short training, three epochs our full one),
scores every second one on all 25,000 gold reviews, follows one damped series per validation sample and PLM in place of
one solve, and takes the highest influence. Both run on one thread, in turns; process time counts, so that the
machine's other load does not. No text is read or hashed while a clock runs, and gold features are made once a round: an
encoder would have to make them 94 times, which is given too.

Chosen samples are judged in two ways: by an STM trained on 25,000 real reviews (is the label right?), and by their
influence on the loss on gold reviews, of a union STM with equal weights, in standard deviations of all samples' (below
0 helps).
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from synthgen.downstream.head import HeadFit
from synthgen.downstream.influence import influence, validation_gradient
from synthgen.downstream.softmax import back, probabilities, scores
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.downstream.tfidf import TfidfSTM
from synthgen.downstream.weights import code_beta
from synthgen.methods.fusegen import FuseGen
from synthgen.methods.trained import label_ids, rows_by_plm, started
from synthgen.recipe import make_recipe
from synthgen.records import Sample
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
FILES = {
    "gpt2": "gpt2-xl",
    "llama2": "llama-2-7b-chat-hf",
    "vicuna": "vicuna-7b-1.5v",
    "opt": "opt-6.7b",
    "flan-t5": "flan-t5-xl",
    "chatglm3": "chatglm3-6b-base",
}
ITERATIONS, FUSED, UPDATES = 5, 4, 30
DAMP, SCALE, DECAY = 5e-3, 1e4, 5e-3
N_LABELS = len(TASK.labels)


@dataclass(slots=True)
class Clock:
    """Seconds of process time by part, and how often each part was done."""

    seconds: dict[str, float] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)

    def run(self, part: str, work: Callable[[], Any]) -> Any:
        """Do the work, add what it took, and return its result."""
        began = time.process_time()
        result = work()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - began
        self.times[part] = self.times.get(part, 0) + 1
        return result

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@dataclass(frozen=True, slots=True)
class Real:
    """Real reviews and label ids."""

    texts: list[str]
    labels: IntArray


@dataclass(frozen=True, slots=True)
class Data:
    """What a round starts from: samples, and which of them train and validate."""

    features: Features
    labels: IntArray
    train: IntArray
    validation: IntArray
    rows_of: dict[str, IntArray]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def real(path: Path) -> Real:
    """Read real reviews."""
    rows = list(lines(path))
    return Real([row["text"] for row in rows], np.array([row["label"] for row in rows], dtype=np.int64))


def recorded(folder: Path, seed: int, each: int) -> list[Sample]:
    """Draw samples of each PLM from its recorded pool. Its label 0 is positive, the task's is negative."""
    samples: list[Sample] = []
    for plm, name in FILES.items():
        rows = list(lines(folder / f"{name}.zeroshot.jsonl.gz"))
        draw = np.random.default_rng([seed, len(samples)])
        for number in draw.choice(len(rows), each, replace=False):
            text, label = rows[number]["C"], TASK.labels[1 - rows[number]["Y"]]
            samples.append(Sample(f"{plm}-{number}", text, label, plm, 0, f"{plm}-{number}"))
    return samples


class Published:
    """A round as the released code does it, with our STM in BERT's place."""

    def __init__(self, stm: TfidfSTM, gold: Real) -> None:
        self.clock = Clock()
        self._stm = stm
        self._gold = gold
        self._gold_features: Features = np.empty(0)

    def round(self, samples: list[Sample], data: Data) -> dict[str, IntArray]:
        """Return the rows of what is chosen: the eight of highest influence (the code), of lowest (what it means)."""
        self.clock.run("start", lambda: started(self._stm, samples, TASK))
        self._gold_features = self.clock.run("gold features", lambda: self._stm.features(self._gold.texts))
        trained = {plm: rows[np.isin(rows, data.train)] for plm, rows in data.rows_of.items()}
        for _ in range(ITERATIONS):
            separate = [self._pair(data, rows, short=False) for rows in trained.values()]
        for _ in range(FUSED):
            self._pair(data, data.train, short=False)
        for _ in range(UPDATES):
            self._pair(data, data.train, short=True)
        union = self._adjusted(data)
        candidates = self._candidates(separate, data)
        harm = self.clock.run("influence", lambda: self._influence(union, candidates, data))
        order = np.argsort(harm, kind="stable")
        return {
            "published, as coded": candidates[order[-8:]],
            "published, sign set right": candidates[order[:8]],
            "any of the 40 candidates, on average": candidates,
        }

    def _pair(self, data: Data, rows: IntArray, *, short: bool, weights: FloatArray | None = None) -> HeadFit:
        """Train two models, of which one is scored on all gold."""
        part = "trainings on all" if len(rows) == len(data.train) else "trainings on one PLM's"
        features, labels = data.features[rows], data.labels[rows]

        def fit(brief: bool) -> HeadFit:
            found = self._stm.fit(features, labels, weights, n_labels=N_LABELS, short=brief)
            assert found.parameters.size  # a head is trained when its parameters are first asked for
            return found

        self.clock.run(part, lambda: fit(True))
        trained: HeadFit = self.clock.run(part, lambda: fit(short))
        self.clock.run("evaluations", lambda: trained.predict_proba(self._gold_features).argmax(axis=1))
        return trained

    def _adjusted(self, data: Data) -> HeadFit:
        weights, labels = np.full(len(data.train), 0.5), data.labels[data.train]
        beta, rows = code_beta(len(labels), UPDATES), np.arange(len(labels))
        for _ in range(UPDATES):
            fit = self._pair(data, data.train, short=True, weights=weights)
            chances = fit.predict_proba(data.features[data.train])
            wrong = chances.argmax(axis=1) != labels
            lowered = weights * np.where(wrong, beta ** (chances[rows, labels] - 1), 1.0)
            weights = lowered * weights.sum() / lowered.sum()
        return fit

    @staticmethod
    def _candidates(separate: list[HeadFit], data: Data) -> IntArray:
        chances = [fit.predict_proba(data.features[data.train]) for fit in separate]
        own = np.stack(chances)[:, np.arange(len(data.train)), data.labels[data.train]]
        ordered = data.train[np.argsort(own.std(axis=0, ddof=1), kind="stable")]
        return np.concatenate([ordered[:20], ordered[-20:]])

    @staticmethod
    def _influence(fit: HeadFit, candidates: IntArray, data: Data) -> FloatArray:
        """Follow one series per validation sample over each PLM's candidates; return those candidates' mean scores."""
        harm = np.zeros(len(candidates))
        slopes = probabilities(data.features[candidates], fit.parameters)
        slopes[np.arange(len(candidates)), data.labels[candidates]] -= 1.0
        for rows in data.rows_of.values():
            own = np.flatnonzero(np.isin(candidates, rows))
            batches = [(data.features[[row]], data.labels[[row]]) for row in candidates[own]]
            for row in data.validation if len(own) else ():
                gradient = validation_gradient(fit.parameters, data.features[[row]], data.labels[[row]])
                start = gradient + 2 * DECAY * fit.parameters
                step = start
                for features, labels in batches:
                    step = start + (1 - DAMP) * step - _curved(fit.parameters, features, labels, step) / SCALE
                moved = scores(data.features[candidates[own]], step / SCALE)
                harm[own] -= (slopes[own] * moved).sum(axis=1) / len(data.validation)
        return harm


def _curved(parameters: FloatArray, features: Features, labels: IntArray, vector: FloatArray) -> FloatArray:
    """Return the Hessian of minus the label's probability, and of the decay, times ``vector``."""
    chances = probabilities(features, parameters)
    moved = scores(features, vector)
    moved = chances * (moved - (chances * moved).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    own, own_moved = chances[rows, labels][:, None], moved[rows, labels][:, None]
    chances[rows, labels] -= 1.0
    return back(features, own_moved * chances + own * moved) + 2 * DECAY * vector


@dataclass(slots=True)
class Found:
    """What the seeds gave: seconds, and per way of choosing the shares of right labels and the influence."""

    ours: list[Clock] = field(default_factory=list)
    published: list[Clock] = field(default_factory=list)
    right: dict[str, list[float]] = field(default_factory=dict)
    helps: dict[str, list[float]] = field(default_factory=dict)


def one_seed(
    given: argparse.Namespace, seed: int, gold: Real, judge: Callable[[list[str]], IntArray], found: Found
) -> None:
    """Run both rounds on one draw of samples and judge what they choose."""
    samples = recorded(given.pools, seed, given.each)
    settings = {"task": "imdb", "plms": tuple(FILES), "samples": given.each, "rounds": 4, "profile": "paper"}
    stm = given.stm
    method = FuseGen(make_recipe({**settings, "seed": seed}), TASK, list(FILES), stm)
    started(stm, samples, TASK)  # so that every text has been read before a clock runs
    clock = Clock()
    learned = clock.run("learn", lambda: method.learn(samples))
    shown = clock.run("select", lambda: method.select(0, samples, learned))
    found.ours.append(clock)
    kept = learned.scores
    data = Data(kept.features, kept.labels, kept.train, kept.validation, rows_by_plm(samples, tuple(FILES)))
    published = Published(stm, gold)
    chosen = published.round(samples, data)
    found.published.append(published.clock)

    row_of = {sample.id: row for row, sample in enumerate(samples)}
    chosen = {"ours": np.array([row_of[one.sample.id] for one in shown]), **chosen}
    chosen["any sample, on average"] = data.train
    union = stm.fit(data.features[data.train], data.labels[data.train], n_labels=N_LABELS)
    harm = influence(union, (stm.features(gold.texts), gold.labels), (data.features, data.labels))
    right = judge([sample.text for sample in samples]) == label_ids(samples, TASK)
    for how, rows in chosen.items():
        found.right.setdefault(how, []).append(float(right[rows].mean()))
        found.helps.setdefault(how, []).append(float((harm[rows].mean() - harm[data.train].mean()) / harm.std()))


def report(found: Found) -> Iterator[str]:
    """Yield the figures as Markdown."""
    yield "| part | times | seconds (median) |"
    yield "|---|---|---|"
    for name, clocks in (("ours", found.ours), ("published", found.published)):
        for part in clocks[0].seconds:
            seconds = median(clock.seconds[part] for clock in clocks)
            yield f"| {name}: {part} | {clocks[0].times[part]} | {seconds:.2f} |"
        yield f"| **{name}** | | {median(clock.total for clock in clocks):.2f} |"
    ours, theirs = (median(clock.total for clock in clocks) for clocks in (found.ours, found.published))
    anew = median(clock.seconds["gold features"] for clock in found.published)
    evaluations = found.published[0].times["evaluations"]
    forever = (theirs + (evaluations - 1) * anew) / ours
    yield f"\nRatio {theirs / ours:.1f}; with gold features made anew at every evaluation {forever:.1f}."
    yield "\n| chosen | labels the judge agrees with | influence on the loss on gold (sd) | by seed |"
    yield "|---|---|---|---|"
    for how, shares in found.right.items():
        seeds = ", ".join(f"{value:+.2f}" for value in found.helps[how])
        yield f"| {how} | {mean(shares):.3f} | {mean(found.helps[how]):+.2f} | {seeds} |"


def main() -> None:
    """Run the seeds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, default=Path("../shared/data/recorded/imdb"))
    parser.add_argument("--train", type=Path, default=Path("../shared/data/imdb.train.jsonl.gz"))
    parser.add_argument("--gold", type=Path, default=Path("../shared/data/imdb.test.jsonl.gz"))
    parser.add_argument("--each", type=int, default=1000, help="samples a PLM")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    given.stm, judging = TfidfSTM(), TfidfSTM()
    with threadpool_limits(1):
        train, gold = real(given.train), real(given.gold)
        judged = judging.fit(judging.start(train.texts), train.labels, n_labels=N_LABELS)
        given.stm.start(gold.texts)
        found = Found()
        for seed in range(given.seeds):
            one_seed(
                given,
                seed,
                gold,
                lambda texts: judged.predict_proba(judging.features(texts)).argmax(axis=1),
                found,
            )
    print("\n".join(report(found)))


if __name__ == "__main__":
    main()
