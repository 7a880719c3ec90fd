"""What is wrong with a text in itself: chat boiler-plate, unfilled placeholders, echoes of the prompt."""

import re
from itertools import product

from synthgen.curate.reasons import Reason
from synthgen.curate.words import words
from synthgen.tasks.task import Task

_OPENING = re.compile(
    "|".join(
        (
            r"(?:sure|certainly|of course|absolutely)\b[\s!,.:]*"
            r"(?:here(?:'s| is| are)|below is|i(?: can|'ll| will) (?:help|write))\b",
            r"(?:here(?:'s| is| are)|below is) (?:[\w'-]+ ){0,5}"
            r"(?:review|sentence|text|example|sample|article)s?\b[^.!?]{0,60}:",
            r"(?:sure|certainly|of course|absolutely)\W*$",
            r"(?:user|assistant|human|system)\s?:",
        )
    ),
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    "|".join(
        (
            r"\bas an ai (?:language )?(?:model|assistant|chatbot)\b|\bas an ai, i\b|\b(?:ai|large) language model\b",
            r"\bi(?:'d| would) be (?:happy|glad) to (?:help|assist|write|provide|generate|create)\b",
            r"\bi(?: cannot|'m unable to| am unable to| can't) (?:fulfill?|generate|provide|create|comply|assist)\b",
            r"\bi hope (?:this|that|it) helps\W*$",
            r"\blet me know if you(?:'d like| would like| need (?:any|more|another|further))\b",
        )
    ),
    re.IGNORECASE,
)
_NOUN = (
    r"(?:name|title|genre|theme|topic|actor|actress|character|movie|film|book|sentiment|adjective|noun|plot|location"
    r"|place|product|brand|company|restaurant|number|date|year|event|person|descriptor)(?:s|\(s\)|'s)?"
)
_SLOT = (
    r"(?:(?:insert|enter|list|describe|specify|your|add your|add a)\b[^\]>)}]{0,80}"
    r"|(?!(?:the|a|its|his|her|their|this|that|my|our) )"
    rf"(?:[\w'/-]+ ){{0,4}}(?:[\w'-]+/)*{_NOUN}(?: ?\d+| here)?)"
)
_PLACEHOLDER = re.compile(
    "|".join(
        (
            r"</?[a-z][^<>]{0,60}>",
            rf"\[{_SLOT}\]|(?<!\w)\[[b-hj-z]\](?!\w)|\[object object\]",
            rf"\{{(?:{_SLOT}|[a-z]|[a-z]+_[a-z_]+)\}}",
            r"\(insert [^)]{1,60}\)",
            r"\((?:movie|film|novel|book|actor|actress|director|character|product|brand)(?:'s)? (?:name|title)\)",
            r"_{3,}",
        )
    ),
    re.IGNORECASE,
)
_CROSSES = re.compile(r"\bX{3,}\b")
_ECHO = re.compile(
    "|".join(
        (
            r"\b(?:movie|film|product|restaurant|book|business|paper) reviews?(?: in [\w -]{1,60})?"
            r" (?:is|are|was|reads?|goes)\s?:",
            r"(?:^|[.!?:>]['\"]? )(?:the|a|another) (?:new )?(?:movie|film) review (?:is|was|in|for|has|reads)\b",
        )
    ),
    re.IGNORECASE,
)
_RUN = 6
# Every match of a pattern holds one of these: to look for them first is ten times as fast.
_BOILERPLATE_HOLDS = (
    *("as an ai", "language model", "happy to ", "glad to ", "unable to", "i cannot", "i can't"),
    *("i hope th", "let me know"),
)
_PLACEHOLDER_HOLDS = ("<", "[", "{", "(", "___")
_ECHO_HOLDS = (" review",)


class Faults:
    """Looks for faults that need nothing but the text and the task's prompts."""

    def __init__(self, task: Task) -> None:
        self._tails, self._runs = _echoes(task)
        self._rarer = {max(run, key=len) for run in self._runs}

    def find(self, text: str, tokens: list[str]) -> Reason | None:
        """Return the first of boilerplate, placeholder, prompt_echo that holds of a text with these words, or None."""
        plain = text.replace("’", "'")
        # Without case, letters other than ASCII match ASCII ones: there the patterns themselves are asked.
        lower = plain.lower() if plain.isascii() else None
        if _OPENING.match(plain) or (_holds(lower, _BOILERPLATE_HOLDS) and _BOILERPLATE.search(plain)):
            return Reason.BOILERPLATE
        if _holds(plain, _PLACEHOLDER_HOLDS) and _PLACEHOLDER.search(plain):
            return Reason.PLACEHOLDER
        if "XXX" in plain and _CROSSES.search(plain):
            return Reason.PLACEHOLDER
        if (_holds(lower, _ECHO_HOLDS) and _ECHO.search(plain)) or self._led_into(plain) or self._repeats(tokens):
            return Reason.PROMPT_ECHO
        return None

    def _led_into(self, plain: str) -> bool:
        return self._tails is not None and ":" in plain and self._tails.search(plain) is not None

    def _repeats(self, tokens: list[str]) -> bool:
        return not self._rarer.isdisjoint(tokens) and share(self._runs, tokens, _RUN)


def _holds(text: str | None, signs: tuple[str, ...]) -> bool:
    return text is None or any(sign in text for sign in signs)


def share(held: set[tuple[str, ...]], tokens: list[str], length: int) -> bool:
    """Return whether ``held`` has a run of ``length`` consecutive words of these."""
    return not held.isdisjoint(zip(*(tokens[start:] for start in range(length)), strict=False))


def runs(tokens: list[str], length: int) -> set[tuple[str, ...]]:
    """Return all runs of ``length`` consecutive words; none where there are fewer words."""
    return set(zip(*(tokens[start:] for start in range(length)), strict=False))


def _echoes(task: Task) -> tuple[re.Pattern[str] | None, set[tuple[str, ...]]]:
    """Return how the prompts lead into a text ("movie review reads:"), and their runs of six words."""
    prompts = task.prompts
    templates = (
        prompts.zero_shot,
        prompts.demonstration,
        prompts.few_shot,
        prompts.bad,
        prompts.good,
        prompts.contrastive,
        prompts.paraphrase,
    )
    # What is put in breaks the words of a prompt: no run goes over it.
    filled_in = r"\{(?:text|text_pair|demonstrations|first|attribute|tone|zero_shot)\}"
    # A label's own words belong to its texts.
    fixed = re.compile(filled_in[:-3] + r"|label)\}")
    tails: set[str] = set()
    found: set[tuple[str, ...]] = set()
    for template, label in product(templates, task.labels):
        for part in re.split(filled_in, template.replace("{label}", task.wording(label))):
            spoken = words(part)
            if part.rstrip(' "').endswith(":") and len(spoken) >= 3:
                tails.add(r"\W+".join(map(re.escape, spoken[-3:])))
    for template in templates:
        for part in fixed.split(template):
            found |= runs(words(part), _RUN)
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(tails))})\s?:", re.IGNORECASE) if tails else None
    return pattern, found
