"""Accept or reject completions, one after the other, remembering all that was accepted."""

from collections.abc import Sequence

from synthgen.curate.clean import clean, printable
from synthgen.curate.copies import Shown
from synthgen.curate.faults import Faults
from synthgen.curate.language import LanguageCheck
from synthgen.curate.memory import Memory
from synthgen.curate.reasons import Reason
from synthgen.curate.words import words
from synthgen.prompt import Prompt
from synthgen.records import Completion, Rejected, Request, Sample
from synthgen.seeds import short_id
from synthgen.tasks.task import ATTRIBUTE, FIRST, Task


class Curator:
    """Judges the completions of one run. Its verdicts depend on their order: give them in the order of the requests.

    With ``enabled`` false only empty texts are rejected, and texts are cut at the closing quote but not cleaned.
    ``near_duplicate`` is the Jaccard similarity of word pairs from which two texts are near duplicates.
    """

    def __init__(self, task: Task, *, enabled: bool = True, near_duplicate: float = 0.8) -> None:
        self._enabled = enabled
        self._task = task
        self._rules = task.curate
        self._faults = Faults(task)
        self._memory = Memory(near_duplicate)
        self._shown = Shown(())
        language = task.curate.language
        self._language = LanguageCheck(language) if enabled and language is not None else None

    def show(self, demonstrations: Sequence[str]) -> None:
        """Name the demonstrations in the prompts of the completions that come next; they replace the last ones.

        Of a pair only what a PLM wrote counts, here and among duplicates: one first sentence is given many times.
        """
        self._shown = Shown([self._task.written(text) for text in demonstrations])

    def adopt(self, sample: Sample) -> None:
        """Remember a sample that was accepted elsewhere: before a resume, or in a pool."""
        if self._enabled:
            self._memory.add(words(self._task.written(sample.whole)), sample.label)

    def judge(self, request: Request, completion: Completion) -> Sample | Rejected:
        """Return the sample, which is remembered, or the rejected text as it came, with the reason.

        Raises ``ValueError`` where the completion belongs to another request.
        """
        if completion.request != request.id:
            raise ValueError(f"completion of {completion.request}, not of {request.id}")
        raw = printable(completion.text)
        drawn = request.prompt.given if isinstance(request.prompt, Prompt) else {}
        first = drawn.get(FIRST, "")
        text, reason = (
            self._verdict(raw, request, completion, first) if self._enabled else _uncurated(raw, request.sampling.stop)
        )
        if reason is not None:
            return Rejected(request.id, raw, request.label, request.plm, request.round, reason.value)
        whole, pair = self._task.paired(first, text)
        return Sample(
            short_id(request.id, text),
            whole,
            request.label,
            request.plm,
            request.round,
            request.id,
            text_pair=pair,
            parent=request.prompt.parent if isinstance(request.prompt, Prompt) else None,
            attribute=drawn.get(ATTRIBUTE),
        )

    def _verdict(self, raw: str, request: Request, completion: Completion, first: str) -> tuple[str, Reason | None]:
        text, whole = self._ended(clean(raw, completion.finish, request.sampling.stop))
        tokens = words(text)
        reason = (
            (self._fault(raw, text, tokens) if whole else Reason.UNFINISHED)
            or self._off_task(text, tokens, request.label, first)
            or self._memory.find(tokens, request.label)
        )
        if reason is None:
            self._memory.add(tokens, request.label)
        return text, reason

    def _fault(self, raw: str, text: str, tokens: list[str]) -> Reason | None:
        if fault := self._faults.find(text, tokens):
            return fault
        if not tokens and words(raw):
            return Reason.UNFINISHED
        if len(tokens) < self._rules.min_words:
            return Reason.TOO_SHORT
        if self._language is not None and self._language.foreign(text):
            return Reason.LANGUAGE
        return None

    def _ended(self, text: str) -> tuple[str, bool]:
        """Cut a text after the sign that ends one of this task, and say whether there was one."""
        if not self._rules.ends:
            return text, True
        at = min((place for sign in self._rules.ends if (place := text.find(sign)) >= 0), default=-1)
        return (text[: at + 1], True) if at >= 0 else (text, False)

    def _off_task(self, text: str, tokens: list[str], label: str, first: str) -> Reason | None:
        for other, sign in self._rules.has.items():
            if (sign in text) != (other == label):
                return Reason.TASK_RULE
        if first and Shown((first,)).copied(tokens):
            return Reason.FIRST_COPY
        return Reason.DEMONSTRATION_COPY if self._shown.copied(tokens) else None


def _uncurated(raw: str, stop: str) -> tuple[str, Reason | None]:
    text = (raw.split(stop)[0] if stop else raw).strip()
    return text, None if text else Reason.TOO_SHORT
