"""Push a run to the Hub: what is there already is not sent again, and where all of it is, no commit is made."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from synthgen import __version__
from synthgen.errors import SynthgenError, UserError
from synthgen.hub.contents import CARD, Outgoing, contents
from synthgen.hub.fitness import Fit, check_fitness
from synthgen.hub.names import check_names
from synthgen.hub.refusals import explained, worth_repeating
from synthgen.hub.remote import Observe, Seen, State, Target, commit, look, prepare
from synthgen.report.facts import task_name

WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt, where the Hub is busy, fails, or took another commit in between."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One file of a push, and whether the Hub had it before; ``size`` in bytes."""

    path: str
    size: int
    sha256: str
    state: State


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went where. ``commit`` is None where none was made, ``private`` where the repository was not seen.

    ``removed`` are files of an earlier push that this run does not have.
    """

    repo: str
    url: str
    revision: str | None
    private: bool | None
    dry_run: bool
    commit: str | None
    files: tuple[Sent, ...]
    removed: tuple[str, ...]
    notes: tuple[str, ...]

    def to_row(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def _unwatched(path: str, sent: int, size: int) -> None:
    pass


def push(
    run: Path | str,
    repo: str,
    *,
    private_repo: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    observe: Observe = _unwatched,
) -> Pushed:
    """Bring the Hub's dataset ``repo`` (``user/name``, or a name of the user's own) to hold what the run has.

    The repository, private with ``private_repo``, and the branch ``revision`` are made where they are missing. With
    ``dry_run`` nothing is written, and without a token or a connection the Hub is not asked. ``observe`` is told of the
    bytes sent. Raises ``UserError`` for a run that may not be published, and for a name or a token that will not do;
    ``SynthgenError`` where the Hub or the connection failed: another push goes on from there.
    """
    run = Path(run)
    check_names(repo, revision)
    fit = check_fitness(run)
    if fit.protected is False and not private_repo:
        raise UserError(
            f"The private samples of {run} were not protected, so it is not made public; --private-repo pushes it to a "
            "private repository."
        )
    files = contents(run, fit.documents)
    notes = [] if any(file.path == CARD for file in files) else [f"The run has no dataset card ({CARD})."]
    with _quiet() as warned:
        from huggingface_hub import HfApi

        token = _token()
        api = HfApi(token=token or False, library_name="synthgen", library_version=__version__)
        target = Target(repo, revision, private_repo)
        try:
            if dry_run:
                pushed = _asked(api, target, files, known=token is not None)
            elif token is None:
                raise UserError("There is no token for the Hub; log in with `hf auth login`, or set HF_TOKEN.")
            else:
                pushed = _synchronised(api, target, files, _message(fit), observe)
        except Exception as error:
            told = explained(error, repo, api.endpoint, token)
            if told is None:
                raise
            raise told from None
    notes += [" ".join(str(one.message).split()) for one in warned if "metadata in README" in str(one.message)]
    return replace(pushed, notes=(*notes, *pushed.notes))


def _asked(api: Any, target: Target, files: Sequence[Outgoing], *, known: bool) -> Pushed:
    """Compare with what the Hub has, where it can be asked; write nothing."""
    seen, reason = None, "" if known else "there is no token"
    if known:
        try:
            target = replace(target, repo=_full_name(api, target.repo))
            seen = look(api, target, files)
        except Exception as error:
            # An answer that the user must act on is one; a Hub that cannot be had is not asked.
            told = explained(error, target.repo, api.endpoint, None)
            if type(told) is not SynthgenError and not _offline():
                raise
            reason = "HF_HUB_OFFLINE is set" if _offline() else "it cannot be reached"
    notes = (f"The Hub was not asked: {reason}.",) if reason else ()
    return _told(api, target, seen, files, asked=not reason, dry_run=True, notes=notes)


def _synchronised(api: Any, target: Target, files: Sequence[Outgoing], message: str, observe: Observe) -> Pushed:
    """Bring the repository to hold the files, in one commit; each attempt begins with what is there by then."""
    waits, first, made = iter(WAITS), None, None
    while True:
        try:
            target = replace(target, repo=_full_name(api, target.repo))
            seen = prepare(api, target, files)
            lacking = [file for file in files if seen.state(file) != "same"]
            gone = seen.stale(files)
            if lacking or gone:
                first = first or seen
                made = commit(api, target, seen, lacking, gone, message, observe)
            elif first:
                # The commit of an attempt before was made; only the answer was lost.
                made = seen.head
            return replace(_told(api, target, first or seen, files, asked=True), commit=made)
        except Exception as error:
            least, wait = worth_repeating(error), next(waits, None)
            if least is None or wait is None:
                raise
            time.sleep(max(least, wait))


def _told(
    api: Any,
    target: Target,
    seen: Seen | None,
    files: Sequence[Outgoing],
    *,
    asked: bool,
    dry_run: bool = False,
    notes: tuple[str, ...] = (),
) -> Pushed:
    repo = seen.repo if seen else target.repo
    states: list[State] = ["not asked" if not asked else seen.state(file) if seen else "new" for file in files]
    return Pushed(
        repo=repo,
        url=f"{api.endpoint}/datasets/{repo}{f'/tree/{target.branch}' if target.branch else ''}",
        revision=target.branch,
        private=seen.private if seen else None,
        dry_run=dry_run,
        commit=None,
        files=tuple(Sent(one.path, one.size, one.sha256, state) for one, state in zip(files, states, strict=True)),
        removed=tuple(seen.stale(files)) if seen else (),
        notes=notes,
    )


def _full_name(api: Any, repo: str) -> str:
    return repo if "/" in repo else f"{api.whoami()['name']}/{repo}"


def _message(fit: Fit) -> str:
    recipe = fit.documents["recipe.yaml"]
    return f"{task_name(recipe) or 'texts'} by {recipe.get('method', 'synthgen')}: {fit.rows} samples"


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _token() -> str | None:
    """Return the token of the standard places. Raises ``UserError`` for one that no request can carry."""
    from huggingface_hub import get_token

    token: str | None = get_token()
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError("The token holds signs that no token has; log in with `hf auth login`, or set HF_TOKEN anew.")
    return token or None


@contextmanager
def _quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Keep what the client logs, warns of and draws from the terminal; give the warnings."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils import logging as client

    before, bars = client.get_verbosity(), not are_progress_bars_disabled()
    try:
        client.set_verbosity(logging.CRITICAL + 1)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            disable_progress_bars()
            yield warned
    finally:
        client.set_verbosity(before)
        if bars:
            enable_progress_bars()
