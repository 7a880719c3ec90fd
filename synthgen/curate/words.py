"""Words as curation counts and compares them."""

import re
import unicodedata

_IDEOGRAPHS = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+(?:['’][^\W_{_IDEOGRAPHS}]+)*")


def words(text: str) -> list[str]:
    """Return the words of ``text`` without case, punctuation and Unicode variants.

    In scripts without spaces between words each sign is one word.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return _WORD.findall(text.casefold())
