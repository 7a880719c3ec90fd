"""Variations of a synthetic text: the prompts that ask for one, and which PLM is asked for which."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from synthgen.prompt import Prompt
from synthgen.records import Sample
from synthgen.tasks.task import Task

Member = TypeVar("Member")
Kind = Literal["imitate", "rephrase", "blanks"]

TONES = (
    "as one would tell a friend",
    "as a careful expert would",
    "in short, plain sentences",
    "in one long breath",
    "with dry humour",
    "with great warmth",
    "soberly, without any adjective that can be spared",
    "as a hurried note",
    "as a letter to an editor",
    "as someone of few words",
    "as someone who loves detail",
    "beginning with what matters most",
    "leading up to what matters most",
    "in the manner of a diary",
    "as if spoken aloud",
    "with a comparison from everyday life",
)
MOST_TOKENS = 1200
SHORT_WORDS = 25
"""Texts of fewer words are short: their variations need not have so many, and differ less in length."""


@dataclass(frozen=True, slots=True)
class Variations:
    """Writes the prompts of one ``kind`` for a task. Each ends like the task's zero-shot prompt, in an open quote.

    ``imitate`` is the task's few-shot prompt with the parent as its one demonstration. ``rephrase`` is the task's
    paraphrase prompt in one of ``TONES``. ``blanks`` replaces each word by ``_`` with probability ``mask`` and asks for
    as many words as the parent has, plus a normal number of standard deviation ``mask * spread``; the answer may have
    ``tokens_per_word`` tokens a word, at most 1,200.
    """

    task: Task
    kind: Kind
    mask: float = 0.5
    spread: float = 40.0
    tokens_per_word: float = 2.0

    def prompt(self, parent: Sample, seed: int) -> Prompt:
        """Return a prompt marked with the parent's id; tone, gaps and length are drawn by ``seed``."""
        if self.kind == "imitate":
            # Without spans: a parent that was left out for want of room would be no parent.
            shown = self.task.few_shot(parent.label, [parent.whole])
            return shown.filled(self.task.drawn_for(parent)).varying(parent.id)
        draw = random.Random(seed)
        if self.kind == "rephrase":
            return self.task.paraphrase(_quotable(parent), draw.choice(TONES)).varying(parent.id)
        text = self.task.written(_quotable(parent).whole)
        words = self._length(len(text.split()), draw)
        tokens = min(MOST_TOKENS, math.ceil(words * self.tokens_per_word))
        return self._blanks(parent, text, words, draw).varying(parent.id, tokens)

    def example(self, label: str) -> str:
        """Return such a prompt with a placeholder for the parent."""
        task, chosen = self.task, "<a text that was chosen>"
        text, pair = task.paired("<its first sentence>", chosen)
        attribute = task.attributes.values[0] if task.attributes else None
        return self.prompt(Sample("", text, label, "", 0, "", text_pair=pair, attribute=attribute), 0)

    def _blanks(self, parent: Sample, text: str, words: int, draw: random.Random) -> Prompt:
        gaps = " ".join("_" if draw.random() < self.mask else word for word in text.split())
        asked = self.task.zero_shot(parent.label).filled(self.task.drawn_for(parent))
        return asked.after(
            f"Here is a text with gaps, each _ a lost word:\n{gaps}\n\nFill the gaps with words of your own choice, "
            f"and write out the whole, exactly {words} words long.\n"
        )

    def _length(self, words: int, draw: random.Random) -> int:
        """Return the words to ask for: no fewer than 25, or than a shorter parent has, or than the task needs."""
        least = max(min(SHORT_WORDS, words), self.task.curate.min_words)
        spread = self.mask * self.spread * min(1.0, words / SHORT_WORDS)
        return max(least, words + round(draw.gauss(0, spread)))


def _quotable(sample: Sample) -> Sample:
    """Return the sample on one line, without the quote that ends a text."""

    def plain(text: str) -> str:
        return " ".join(text.replace('"', "'").split())

    pair = None if sample.text_pair is None else plain(sample.text_pair)
    return replace(sample, text=plain(sample.text), text_pair=pair)


def deal(members: Sequence[Member], plms: Sequence[str], each: int) -> dict[str, list[Member]]:
    """Deal ``each`` members to every PLM, so that all members are dealt equally often but for one.

    Where ``members`` stand label by label, a label's members are shared by all PLMs. From one time to the next a member
    goes to another PLM.
    """
    times, more = divmod(len(plms) * each, len(members))
    slots = [*list(members) * times, *(members[place * len(members) // more] for place in range(more))]
    dealt: dict[str, list[Member]] = {plm: [] for plm in plms}
    for place, member in enumerate(slots):
        seat = place % len(plms)
        # One turn for a whole block of a member a PLM: each PLM gets one of every block, whatever the numbers.
        turn = (place - seat) // len(members)
        dealt[plms[(seat + turn) % len(plms)]].append(member)
    return dealt
