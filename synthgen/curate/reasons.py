"""Why a completion is rejected. The values stand in ``rejected.jsonl`` and in ``metrics.json``."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons, in the order in which they are looked for: the first that holds is the one reported."""

    BOILERPLATE = "boilerplate"
    PLACEHOLDER = "placeholder"
    PROMPT_ECHO = "prompt_echo"
    UNFINISHED = "unfinished"
    TOO_SHORT = "too_short"
    LANGUAGE = "language"
    TASK_RULE = "task_rule"
    FIRST_COPY = "first_copy"
    DEMONSTRATION_COPY = "demonstration_copy"
    DUPLICATE = "duplicate"
    TWO_LABELS = "two_labels"
    NEAR_DUPLICATE = "near_duplicate"
