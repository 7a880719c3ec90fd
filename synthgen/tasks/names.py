"""Names that people tell apart by eye, and files can hold."""

import unicodedata
from collections.abc import Sequence


def encodes(text: str) -> bool:
    """Tell whether UTF-8 can write ``text``: half a surrogate pair it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def seen(name: str) -> str:
    """Return what can be seen of a name: composed, without characters that show nothing, blanks alike."""
    shown = (sign for sign in unicodedata.normalize("NFC", name) if unicodedata.category(sign) not in {"Cc", "Cf"})
    return " ".join("".join(shown).split())


def fault_of(labels: Sequence[str]) -> tuple[int, str] | None:
    """Return the place of the first label that cannot be one, and why; None where all can.

    They may not be blank or of several lines, hold control characters, or look like one another.
    """
    for place, label in enumerate(labels):
        if not seen(label) or len(label.splitlines()) > 1:
            return place, f"the label {label!r} is blank or has several lines"
        if not encodes(label) or any(unicodedata.category(sign) == "Cc" for sign in label):
            return place, f"the label {label!r} has a character that no text has; write it anew"
        for other in labels[:place]:
            if other != label and seen(other) == seen(label):
                return place, f"the labels {other!a} and {label!a} look the same; name them apart"
    return None
