"""Errors in the user's words; the command line turns each into one sentence and an exit code."""


class SynthgenError(Exception):
    """Something failed that is nobody's typing mistake (exit code 1)."""

    exit_code = 1


class UserError(SynthgenError):
    """The user's input is wrong; the message says what to do instead (exit code 2)."""

    exit_code = 2
