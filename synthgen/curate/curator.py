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
from synthgen.tasks.task import Task


class Curator:
    """Judges the completions of one run. Its verdicts depend on their order: give them in the order of the requests.

    With ``enabled`` false only empty texts are rejected, and texts are cut at the closing quote but not cleaned.
    ``near_duplicate`` is the Jaccard similarity of word pairs from which two texts are near duplicates.
    """

    def __init__(self, task: Task, *, enabled: bool = True, near_duplicate: float = 0.8) -> None:
        self._enabled = enabled
        self._min_words = task.curate.min_words
        self._faults = Faults(task)
        self._memory = Memory(near_duplicate)
        self._shown = Shown(())
        language = task.curate.language
        self._language = LanguageCheck(language) if enabled and language is not None else None

    def show(self, demonstrations: Sequence[str]) -> None:
        """Name the demonstrations in the prompts of the completions that come next; they replace the last ones."""
        self._shown = Shown(demonstrations)

    def adopt(self, sample: Sample) -> None:
        """Remember a sample that was accepted elsewhere: before a resume, or in a pool."""
        if self._enabled:
            self._memory.add(words(sample.text), sample.label)

    def judge(self, request: Request, completion: Completion) -> Sample | Rejected:
        """Return the sample, which is remembered, or the rejected text as it came, with the reason.

        Raises ``ValueError`` where the completion belongs to another request.
        """
        if completion.request != request.id:
            raise ValueError(f"completion of {completion.request}, not of {request.id}")
        raw = printable(completion.text)
        text, reason = (
            self._verdict(raw, request, completion) if self._enabled else _uncurated(raw, request.sampling.stop)
        )
        if reason is not None:
            return Rejected(request.id, raw, request.label, request.plm, request.round, reason.value)
        return Sample(
            short_id(request.id, text),
            text,
            request.label,
            request.plm,
            request.round,
            request.id,
            parent=request.prompt.parent if isinstance(request.prompt, Prompt) else None,
        )

    def _verdict(self, raw: str, request: Request, completion: Completion) -> tuple[str, Reason | None]:
        text = clean(raw, completion.finish, request.sampling.stop)
        tokens = words(text)
        reason = self._fault(raw, text, tokens) or self._memory.find(tokens, request.label)
        if reason is None:
            self._memory.add(tokens, request.label)
        return text, reason

    def _fault(self, raw: str, text: str, tokens: list[str]) -> Reason | None:
        if fault := self._faults.find(text, tokens):
            return fault
        if not tokens and words(raw):
            return Reason.UNFINISHED
        if len(tokens) < self._min_words:
            return Reason.TOO_SHORT
        if self._language is not None and self._language.foreign(text):
            return Reason.LANGUAGE
        return Reason.DEMONSTRATION_COPY if self._shown.copied(tokens) else None


def _uncurated(raw: str, stop: str) -> tuple[str, Reason | None]:
    text = (raw.split(stop)[0] if stop else raw).strip()
    return text, None if text else Reason.TOO_SHORT
