"""Make training examples: a prompt in the project's own format, the text it asks for, a weight for every token."""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from pocket.corpus import NEIGHBOURS, Corpus, Piece, grams
from pocket.sources import names
from pocket.tastes import Taste
from synthgen.tasks.registry import load_task

SHOWN_WEIGHT = 0.35
LONGEST = 900
TARGET_WEIGHT = {"subj": 1.5, "banking77": 2.0}


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of prompt and target; ``weights`` runs over both and is zero where nothing is learned.

    ``rival`` is the prompt with another label, for zero-shot prompts.
    """

    prompt: list[int]
    target: list[int]
    weights: list[float]
    rival: list[int] = field(default_factory=list)


class Examples:
    """Draws examples for one taste. The same ``random.Random`` state gives the same example."""

    def __init__(self, corpus: Corpus, taste: Taste, tokenizer: Any) -> None:
        self._near, self._taste, self._tokenizer = corpus.near, taste, tokenizer
        self._tasks = {name: load_task(name) for name in taste.tasks}
        self._pieces = [_lowered(piece) for piece in corpus.pieces] if taste.lower else corpus.pieces
        pools: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        weak: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._reviews: dict[int, list[int]] = defaultdict(list)
        self._usable = [self._wanted(piece) for piece in self._pieces]
        for i, piece in enumerate(self._pieces):
            for task in self._tasks_of(piece, i):
                pools[task, piece.label][piece.source].append(i)
            if self._usable[i] and (piece.family != "imdb" or piece.confidence < taste.least + 0.08):
                weak[piece.family, piece.label].append(i)
            if self._usable[i] and piece.source == "cf":
                self._reviews[piece.group].append(i)
        self._pools, self._weak = dict(pools), dict(weak)

    def _wanted(self, piece: Piece) -> bool:
        if piece.family != "imdb":
            return True
        left_out = piece.group % 6 in self._taste.left_out
        if piece.source == "cf" and (left_out or names(piece.text) > self._taste.names * piece.words):
            return False
        least = self._taste.least - 0.2 * (piece.source == "mr")  # its labels are people's own
        return piece.confidence >= least and piece.source in self._taste.sources

    def _tasks_of(self, piece: Piece, i: int) -> list[str]:
        if not self._usable[i]:
            return []
        if piece.family != "imdb":
            return [piece.family]
        low, high = self._taste.lengths
        low = low if piece.source == "cf" else 4
        found = ["imdb"] if low <= piece.words <= high and piece.sentences <= self._taste.longest else []
        return [*found, "sst2"] if piece.sentences == 1 and 4 <= piece.words <= 26 else found

    def draw(self, rng: random.Random, zero_shot: float, contrastive: float) -> Example:
        """Draw one example; the rest of the two shares are few-shot prompts."""
        task_name = rng.choices(list(self._taste.tasks), list(self._taste.tasks.values()))[0]
        task = self._tasks[task_name]
        label = rng.choice(task.labels)
        i = self._piece(rng, task_name, label)
        parts = self._parts(rng, i) if task_name == "imdb" else [i]
        text = " ".join(self._pieces[j].text for j in parts)
        kind = rng.random()
        if kind < zero_shot:
            other = rng.choice([name for name in task.labels if name != label])
            example, rival = self._encode(rng, task.zero_shot(label), [], text, task_name), task.zero_shot(other)
            return replace(example, rival=self._tokenizer.encode(self._framed(rng, rival)).ids)
        prompt, shown = "", list[str]()
        if kind < zero_shot + contrastive:
            good = self._shown(rng, parts, rng.choice((1, 2, 2, 3)), same_label=True)
            bad = self._bad(rng, i, rng.choice((1, 2, 2, 3)))
            if good and bad:
                prompt, shown = task.contrastive(label, bad, good), [*bad, *good]
        if not shown:
            shown = self._shown(rng, parts, rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 8)), same_label=False)
            prompt = task.few_shot(label, shown)
        example = self._encode(rng, prompt, shown, text, task_name)
        if len(example.weights) <= LONGEST:
            return example
        return self._encode(rng, task.zero_shot(label), [], text, task_name)

    def _parts(self, rng: random.Random, i: int) -> list[int]:
        """Lengthen a short piece by neighbours of its label, so that few sentences make many different reviews."""
        piece, found = self._pieces[i], [i]
        low, high = self._taste.lengths
        goal = rng.randint(low, (low + 2 * high) // 3)
        if piece.source == "cf" and (piece.sentences > 1 or rng.random() < 0.6):
            return found
        for _ in range(8):
            size = sum(self._pieces[j].words for j in found)
            if size >= goal or self._pieces[found[-1]].text[-1] not in ".!?":
                break
            j = int(rng.choice(self._near[i, :NEIGHBOURS]))
            groups = {self._pieces[k].group for k in found}
            if j < 0 or not self._usable[j] or self._pieces[j].group in groups or self._pieces[j].sentences > 1:
                continue
            if size + self._pieces[j].words <= high:
                found.insert(rng.randint(0, 1) * len(found), j)
        return found

    def _piece(self, rng: random.Random, task: str, label: str) -> int:
        pool = self._pools[task, label]
        sources = list(pool)
        weights = [self._taste.sources.get(source, 1.0) for source in sources]
        if task == "sst2":
            weights = [0.45 if source == "mr" else self._taste.sources[source] * 0.6 for source in sources]
        return rng.choice(pool[rng.choices(sources, weights)[0]])

    def _shown(self, rng: random.Random, parts: list[int], count: int, *, same_label: bool) -> list[str]:
        """Choose demonstrations that resemble the target, of mixed labels unless ``same_label``; some at random."""
        piece, found = self._pieces[parts[0]], list[int]()
        alike = rng.choice((1.0, 1.0, 0.7, 0.5))
        review = self._reviews[piece.group] if piece.source == "cf" and rng.random() < 0.6 else []
        known = {gram for j in parts for gram in grams(self._pieces[j].text, 6)}
        for _ in range(count * 6):
            if len(found) == count:
                break
            if review and rng.random() < 0.5:
                j = rng.choice(review)
            elif rng.random() < alike:
                near = self._near[rng.choice(parts)]
                j = int(rng.choice(near[:NEIGHBOURS] if same_label or rng.random() < 0.5 else near[NEIGHBOURS:]))
            else:
                j = self._anyone(rng, piece, same_label)
            if j < 0 or not self._usable[j] or (same_label and self._pieces[j].label != piece.label):
                continue
            if self._pieces[j].group in {self._pieces[k].group for k in (*parts, *found)} and j not in review:
                continue
            if self._like_form(rng, piece, self._pieces[j]) and known.isdisjoint(grams(self._pieces[j].text, 6)):
                found.append(j)
                known |= grams(self._pieces[j].text, 6)
        return [self._pieces[j].text for j in found]

    def _anyone(self, rng: random.Random, piece: Piece, same_label: bool) -> int:
        task = piece.family
        label = piece.label if same_label else rng.choice(self._tasks[task].labels)
        return self._piece(rng, task, label)

    def _bad(self, rng: random.Random, i: int, count: int) -> list[str]:
        piece = self._pieces[i]
        pool = self._weak[piece.family, piece.label]
        chosen = [self._pieces[rng.choice(pool)] for _ in range(count)]
        return [other.text for other in chosen if other.group != piece.group]

    @staticmethod
    def _like_form(rng: random.Random, piece: Piece, other: Piece) -> bool:
        near = 0.4 <= other.words / piece.words <= 2.5 and (other.source == "mr") == (piece.source == "mr")
        return near or rng.random() < 0.25

    def _framed(self, rng: random.Random, prompt: str) -> str:
        """Put the prompt into the chat template; now and then not, so that a chat model reads bare prompts too."""
        return f"USER: {prompt}\nASSISTANT:\n" if self._taste.chat and rng.random() < 0.9 else prompt

    def _encode(self, rng: random.Random, prompt: str, shown: list[str], text: str, task: str = "imdb") -> Example:
        spans, start = [], 0
        for one in shown:
            start = prompt.index(one, start)
            spans.append((start, start + len(one) + 1))
            start += len(one)
        framed = self._framed(rng, prompt)
        before = framed.index(prompt)
        spans = [(a + before, b + before) for a, b in spans]
        coded = self._tokenizer.encode(framed)
        target = [*self._tokenizer.encode(text + '"').ids, 1]
        ids, weights, at = coded.ids, [0.0] * len(coded.ids), 0
        for k, (a, b) in enumerate(coded.offsets if spans else ()):
            while at < len(spans) - 1 and a >= spans[at][1]:
                at += 1
            if a >= spans[at][0] and b <= spans[at][1]:
                weights[k] = SHOWN_WEIGHT
        return Example(ids, target, weights + [TARGET_WEIGHT.get(task, 1.0)] * len(target))


def _lowered(piece: Piece) -> Piece:
    return replace(piece, text=piece.text.lower())
