"""Is a text in the language that was asked for?"""

import re
from functools import cache
from typing import Any

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


class LanguageCheck:
    """Tells texts that are surely not, or not wholly, in one language. Raises ``UserError`` for an unknown code."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._identifier = _load()
        if language not in self._identifier.labels:
            raise UserError(f"Language {language!r} is not known; use a two-letter code such as en, or null for any.")

    def foreign(self, text: str) -> bool:
        """Return whether the text, or a sentence of at least four words in it, is in another language.

        Short texts carry little evidence: another language must be likely (0.5) and this one nearly impossible (0.01).
        """
        if self._language not in _OTHER_SCRIPTS and _NOT_LATIN.search(text):
            return True
        sentences = [part for part in _SENTENCES.split(text) if part.count(" ") >= 3]
        return any(map(self._other, {text, *sentences}))

    def _other(self, text: str) -> bool:
        best, probability = self._identifier.classify(text)
        if best == self._language or probability < 0.5:
            return False
        return bool(dict(self._identifier.rank(text))[self._language] < 0.01)


@cache
def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
