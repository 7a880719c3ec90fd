"""Cut a completion down to the text that was asked for."""

import re

from synthgen.records import FinishReason

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffd\ud800-\udfff]"
)
_END = re.compile(r"</s>|<\|(?:endoftext|im_end|eot_id|end_of_text|end)\|>|<eos>", re.IGNORECASE)
_SPECIAL = re.compile(
    r"</?s>|<(?:pad|bos|eos|unk|mask)>|<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>|\[(?:PAD|CLS|SEP|MASK|gMASK)\]|</?sop>"
)
# T5 vocabularies have no "<": what stands before a tag's rest was one.
_LOST_BRACKET = re.compile(r"<unk>\s?(?=/?[A-Za-z]\w{0,11}\s?/?>)")
_TAG = re.compile(r"</?(?:[biaup]|br|hr|em|li|ul|ol|div|span|strong|sup|sub|h[1-6]|BR|HR)(?:\s[^<>]{0,80})?/?>")
_PAIR = re.compile(r"<([A-Z]+)>([^<>]*)</\1>")
_BOLD = re.compile(r"\*\*(?=\S)([^*]{1,200})(?<=\S)\*\*")
_NOUN = r"(?:review|sentence|text|example|sample|question|query|article|response|version)s?"
_ADJECTIVE = r"(?:the|a|my|new|movie|film|positive|negative|sample|example)"
_HEAD = re.compile(
    "|".join(
        (
            r"(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[\s!,.:]*)?"
            r"(?:here(?:['’]s| is| are)|below is|i(?:['’]ve| have) written)\b"
            rf"[^.!?:]{{0,100}}\b{_NOUN}\b[^.!?:]{{0,100}}:(?=\W*\w)",
            rf"(?:{_ADJECTIVE}\s+){{0,4}}(?:review|text|sentence|answer|response|output)\s*(?:#?\d{{1,3}})?\s*:(?=\W*\w)",
            r"\(?\d{1,2}[.)]\s+(?=\D)",
            r"#{1,6}\s+|[-–•>*]\s+|\*{1,2}(?=\w)",
            r"[\"“”„«»]+",
        )
    ),
    re.IGNORECASE,
)
_ENDS = "[.!?…。！？]"
# The sign comes first and what must not stand before it is looked at from behind: so the search leaps to the signs.
_SENTENCE_END = re.compile(
    _ENDS
    + "(?:"
    + "".join(rf"(?<!\b{word}{_ENDS})" for word in ("Mr", "Mrs", "Ms", "Dr", "St", "vs", "Jr", "[A-Z]", r"\d"))
    + rf"{_ENDS}*['’\"”)\]]*(?=\s|$)|(?<=[。！？])[。！？]*)"
)
_DANGLING = (",", ";", ":", "(", "[", "“", "„", "«", "–", "—", "-", "&")
_CLOSED = re.compile(r"[.!?…。！？][\W_]*$")


def printable(text: str) -> str:
    """Return ``text`` without control and invisible characters and without what UTF-8 cannot encode."""
    return _UNPRINTABLE.sub("", text)


def clean(text: str, finish: FinishReason, stop: str = '"') -> str:
    """Return the text between the prompt's open quote and its closing quote, on one line; it may be empty.

    What stands before it (numbering, labels, an announcement) and after it is dropped, as are special tokens and
    markup. Where no closing quote came, or the quote that came opened another quotation, the text ends with its last
    full sentence. ``clean(clean(text, finish), "stop")`` is ``clean(text, finish)``.
    """
    text = _once(text, finish, stop)
    while (again := _once(text, "stop", stop)) != text:
        text = again
    return text


def _once(text: str, finish: FinishReason, stop: str) -> str:
    text = _special(printable(text)).lstrip()
    text, ended = _until(text, _END)
    text = _markup(text).lstrip()
    while (head := _HEAD.match(text)) and head.end():
        text = text[head.end() :].lstrip()
    text, quoted = _until_quote(text, stop)
    if not (ended or quoted or finish == "stop"):
        text = text.split("\n", 1)[0]
        return _sentences(" ".join(text.split()))
    opened = not ended and text != text.rstrip()
    text = " ".join(text.split())
    if (opened and not _CLOSED.search(text)) or text.endswith(_DANGLING):
        text = _sentences(text)
    return _unwrap(text)


def _special(text: str) -> str:
    if "<" not in text and "[" not in text:
        return text
    text = _LOST_BRACKET.sub("<", text)
    head = re.compile(rf"(?:\s*(?:{_SPECIAL.pattern}))+").match(text)
    return text[head.end() :] if head else text


def _until(text: str, end: re.Pattern[str]) -> tuple[str, bool]:
    found = end.search(text)
    return (text[: found.start()], True) if found else (text, False)


def _markup(text: str) -> str:
    if "<" in text or "[" in text:
        text = _TAG.sub(" ", _PAIR.sub(r"\2", _SPECIAL.sub(" ", text)))
    return _BOLD.sub(r"\1", text) if "**" in text else text


def _until_quote(text: str, stop: str) -> tuple[str, bool]:
    """Cut at the stop string, or at a curly quote that closes what the prompt opened."""
    at = text.find(stop) if stop else -1
    found = at >= 0
    if found:
        text = text[:at]
    depth = 0
    for position, sign in enumerate(text) if "”" in text else ():
        depth += (sign == "“") - (sign == "”")
        if depth < 0:
            return text[:position].rstrip(), True
    return text, found


def _sentences(text: str) -> str:
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else ""


def _unwrap(text: str) -> str:
    while len(text) > 1 and text[0] == text[-1] and text[0] in "'`":
        text = text[1:-1].strip()
    return text
