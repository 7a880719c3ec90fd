"""A dataset repository on the Hub: looked at, made, brought to hold what a run has, in one commit or none."""

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from synthgen.errors import UserError
from synthgen.hub.contents import REPLACED, TEXTS, Outgoing

State = Literal["new", "changed", "same", "not asked"]
Observe = Callable[[str, int, int], None]
"""Told of an upload: the file's path in the repository, bytes of it that are sent, its size in bytes."""

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: ``repo`` is ``user/name``, ``branch`` None for the main one, ``private`` what it must be to be used."""

    repo: str
    branch: str | None
    private: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The repository at one moment: by its own name, at commit ``head`` (None while it has none).

    ``branched`` is false where the branch is not there; ``files`` are then those it would start from.
    """

    repo: str
    private: bool
    branched: bool
    head: str | None
    files: dict[str, Any]

    def state(self, file: Outgoing) -> State:
        """Compare by content: the SHA-256 of large files, git's name of the others."""
        there = self.files.get(file.path)
        if there is None:
            return "new"
        same = there.lfs.sha256 == file.sha256 if there.lfs else there.blob_id == file.blob
        return "same" if same else "changed"

    def stale(self, files: Sequence[Outgoing]) -> list[str]:
        """Return what an earlier push left and this run has not."""
        kept = {file.path for file in files}
        return [path for path in REPLACED if path in self.files and path not in kept]


def look(api: Any, target: Target, files: Sequence[Outgoing]) -> Seen | None:
    """Return the repository as it is, or None where there is none. Raises as the client does."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = api.dataset_info(target.repo, timeout=_SECONDS)
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:
            raise
        return None
    head, branched = info.sha, True
    if target.branch:
        try:
            head = api.dataset_info(info.id, revision=target.branch, timeout=_SECONDS).sha
        except RevisionNotFoundError:
            branched = False
    paths = list(dict.fromkeys([*(file.path for file in files), *REPLACED]))
    found = api.get_paths_info(info.id, paths, revision=head, repo_type="dataset") if head else []
    return Seen(info.id, bool(info.private), branched, head, {one.path: one for one in found if hasattr(one, "lfs")})


def prepare(api: Any, target: Target, files: Sequence[Outgoing]) -> Seen:
    """Return the repository, made with its branch where it was missing.

    Raises ``UserError`` where it must be private and is not: nothing was sent then.
    """
    seen = look(api, target, files)
    if seen is None:
        api.create_repo(target.repo, repo_type="dataset", private=target.private or None, exist_ok=True)
        seen = look(api, target, files)
    if target.private and seen and not seen.private:
        raise UserError(
            f"{seen.repo} is there and public; make it private on its settings page, or push to another name."
        )
    if target.branch and seen and not seen.branched:
        api.create_branch(seen.repo, branch=target.branch, repo_type="dataset", exist_ok=True)
        seen = look(api, target, files)
    if seen is None:
        raise UserError(f"{target.repo} was made and is not there; look at it on the Hub, then push again.")
    return seen


def commit(
    api: Any, target: Target, seen: Seen, files: Sequence[Outgoing], gone: Sequence[str], message: str, observe: Observe
) -> str:
    """Upload ``files`` and commit them, without what is ``gone``, on top of what was ``seen``; return the commit's id.

    Large files go first, one after the other, and stay on the Hub should a later step fail.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    where = {"repo_type": "dataset", "revision": target.branch}
    with ExitStack() as opened:
        operations: list[Any] = []
        for file in files:
            told = opened.enter_context(_Told(file, observe))
            operations.append(CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=told))
            told.begin()
            if not file.path.endswith(TEXTS):
                # One at a time: several together are sent by threads, with bars of the client's own.
                api.preupload_lfs_files(seen.repo, operations[-1:], free_memory=False, **where)
        operations += [CommitOperationDelete(path_in_repo=path, is_folder=False) for path in gone]
        made = api.create_commit(seen.repo, operations, commit_message=message, parent_commit=seen.head, **where)
        for file in files:
            observe(file.path, file.size, file.size)
    return str(made.oid)


class _Told(io.BufferedReader):
    """A file that tells how far it was read once ``begin`` was called: before, it is only hashed.

    The client sends open files by the LFS protocol, which every Hub speaks, and paths by Xet where that is installed.
    """

    def __init__(self, file: Outgoing, observe: Observe) -> None:
        super().__init__(file.open())  # type: ignore[arg-type]
        self._file, self._observe, self._begun = file, observe, False

    def begin(self) -> None:
        self._begun = True

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self._begun:
            self._observe(self._file.path, self.tell(), self._file.size)
        return data
