"""Is a text in the language that was asked for?"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from synthgen.curate.speech import Speech
from synthgen.errors import UserError

_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_OTHER_SCRIPTS = frozenset(
    (
        *("am", "ar", "as", "be", "bg", "bn", "dv", "dz", "el", "fa", "gu", "he", "hi", "hy", "ja", "ka", "kk", "km"),
        *("kn", "ko", "ky", "lo", "mk", "ml", "mn", "mr", "ne", "or", "pa", "ps", "ru", "si", "sr", "ta", "te", "th"),
        *("ug", "uk", "ur", "yi", "zh"),
    )
)
# Two letters in a row of no Latin script, from Greek to the halfwidth forms.
_NOT_LATIN = re.compile(
    r"[\u0370-\u1cff\u2c80-\u2dff\u2e80-\ua6ff\ua800-\uaaff\uac00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\ufefc\uff66-\uffdc]{2}"
)


# Far above what makes a text foreign, and so above whatever rounding may do.
_SURE = 0.02
_FEW = 8


class LanguageCheck:
    """Tells texts that are surely not, or not wholly, in one language. Raises ``UserError`` for an unknown code."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._identifier = _load()
        if language not in self._identifier.labels:
            raise UserError(f"Language {language!r} is not known; use a two-letter code such as en, or null for any.")
        self._speech = Speech(self._identifier, language)

    def foreign(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text, or a sentence of at least four words in it, is in another language.

        Short texts carry little evidence: another language must be likely (0.5) and this one nearly impossible (0.01).
        """
        parts = [self._parts(text) for text in texts]
        all_parts = list(set().union(*parts))
        sure = set()
        if len(all_parts) >= _FEW:
            probable = self._speech.probabilities(all_parts) >= _SURE
            sure = {part for part, clear in zip(all_parts, probable.tolist(), strict=True) if clear}
        return [
            self._otherwise_written(text) or any(self._other(part) for part in own if part not in sure)
            for text, own in zip(texts, parts, strict=True)
        ]

    def _parts(self, text: str) -> set[str]:
        return {text, *(part for part in _SENTENCES.split(text) if part.count(" ") >= 3)}

    def _otherwise_written(self, text: str) -> bool:
        if text.isascii() or self._language in _OTHER_SCRIPTS:
            return False
        return _NOT_LATIN.search(text) is not None

    def _other(self, text: str) -> bool:
        best, probability = self._identifier.classify(text)
        if best == self._language or probability < 0.5:
            return False
        return bool(dict(self._identifier.rank(text))[self._language] < 0.01)


@cache
def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
