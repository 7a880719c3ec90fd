"""Accept or reject completions, one after the other, remembering all that was accepted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from synthgen.blocks import in_blocks
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

_AT_ONCE = 1024


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

    def memory_since(self, count: int) -> dict[str, NDArray[Any]]:
        """Return what was remembered after the first ``count`` texts accepted, as arrays; none where not enabled."""
        return self._memory.since(count) if self._enabled else {}

    def restore(self, parts: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        """Remember, in their order, what calls of ``memory_since`` returned: as if all had been judged here."""
        if self._enabled:
            self._memory.restore(parts)

    def judge(self, request: Request, completion: Completion) -> Sample | Rejected:
        """Return the sample, which is remembered, or the rejected text as it came, with the reason.

        Raises ``ValueError`` where the completion belongs to another request.
        """
        return next(self.judge_all([(request, completion)]))

    def judge_all(self, pairs: Iterable[tuple[Request, Completion]]) -> Iterator[Sample | Rejected]:
        """Yield what ``judge`` would say of each, in several times less time: a thousand are looked at together."""
        for some in in_blocks((_Look(request, completion) for request, completion in pairs), _AT_ONCE):
            if self._enabled:
                self._look(some)
            else:
                for look in some:
                    look.text, look.reason = _uncurated(look.raw, look.request.sampling.stop)
            yield from map(self._verdict, some)

    def _look(self, looks: Sequence["_Look"]) -> None:
        for look in looks:
            text = clean(look.raw, look.completion.finish, look.request.sampling.stop)
            look.text, whole = self._ended(text)
            look.tokens = words(look.text)
            look.reason = self._fault(look) if whole else Reason.UNFINISHED
        if self._language is not None:
            looks = _open(looks)
            for look, foreign in zip(looks, self._language.foreign([look.text for look in looks]), strict=True):
                look.reason = Reason.LANGUAGE if foreign else None
        for look in _open(looks):
            look.reason = self._off_task(look)
        looks = _open(looks)
        found = self._memory.judge([look.tokens for look in looks], [look.request.label for look in looks])
        for look, reason in zip(looks, found, strict=True):
            look.reason = reason

    def _verdict(self, look: "_Look") -> Sample | Rejected:
        request = look.request
        if look.reason is not None:
            return Rejected(request.id, look.raw, request.label, request.plm, request.round, look.reason.value)
        whole, pair = self._task.paired(look.first, look.text)
        return Sample(
            short_id(request.id, look.text),
            whole,
            request.label,
            request.plm,
            request.round,
            request.id,
            text_pair=pair,
            parent=request.prompt.parent if isinstance(request.prompt, Prompt) else None,
            attribute=look.drawn.get(ATTRIBUTE),
        )

    def _fault(self, look: "_Look") -> Reason | None:
        if fault := self._faults.find(look.text, look.tokens):
            return fault
        if not look.tokens and words(look.raw):
            return Reason.UNFINISHED
        return Reason.TOO_SHORT if len(look.tokens) < self._rules.min_words else None

    def _ended(self, text: str) -> tuple[str, bool]:
        """Cut a text after the sign that ends one of this task, and say whether there was one."""
        if not self._rules.ends:
            return text, True
        at = min((place for sign in self._rules.ends if (place := text.find(sign)) >= 0), default=-1)
        return (text[: at + 1], True) if at >= 0 else (text, False)

    def _off_task(self, look: "_Look") -> Reason | None:
        for other, sign in self._rules.has.items():
            if (sign in look.text) != (other == look.request.label):
                return Reason.TASK_RULE
        if look.first and Shown((look.first,)).copied(look.tokens):
            return Reason.FIRST_COPY
        return Reason.DEMONSTRATION_COPY if self._shown.copied(look.tokens) else None


class _Look:
    """What is known so far of a completion: its text and words once cleaned, a reason once there is one."""

    __slots__ = ("completion", "drawn", "first", "raw", "reason", "request", "text", "tokens")

    def __init__(self, request: Request, completion: Completion) -> None:
        if completion.request != request.id:
            raise ValueError(f"completion of {completion.request}, not of {request.id}")
        self.request = request
        self.completion = completion
        self.raw = printable(completion.text)
        self.drawn: Mapping[str, str] = request.prompt.given if isinstance(request.prompt, Prompt) else {}
        self.first = self.drawn.get(FIRST, "")
        self.text = ""
        self.tokens: list[str] = []
        self.reason: Reason | None = None


def _open(looks: Sequence[_Look]) -> list[_Look]:
    return [look for look in looks if look.reason is None]


def _uncurated(raw: str, stop: str) -> tuple[str, Reason | None]:
    text = (raw.split(stop)[0] if stop else raw).strip()
    return text, None if text else Reason.TOO_SHORT
