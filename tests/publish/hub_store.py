"""What a Hub in miniature holds: users by token, repositories with branches of commits, and large files by SHA-256."""

from dataclasses import dataclass, field
from hashlib import sha1, sha256
from itertools import count

LARGE = (".parquet", ".png")
"""What the Hub's .gitattributes say is stored by LFS."""


@dataclass(frozen=True)
class Blob:
    """One file of a commit: its content, and whether it is a pointer to a large file."""

    data: bytes
    large: bool

    @property
    def oid(self) -> str:
        data = self.data
        if self.large:
            digest = sha256(data).hexdigest()
            data = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()
        return sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def row(self, path: str) -> dict[str, object]:
        row: dict[str, object] = {"type": "file", "path": path, "oid": self.oid, "size": len(self.data)}
        if self.large:
            row["lfs"] = {"oid": sha256(self.data).hexdigest(), "size": len(self.data), "pointerSize": 134}
        return row


@dataclass
class Commit:
    id: str
    message: str
    files: dict[str, Blob]
    changed: list[str]


@dataclass
class Repo:
    """``branches`` map names to commits, newest last; a new repository has one commit with .gitattributes."""

    private: bool
    branches: dict[str, list[Commit]] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.add("main", "initial commit", {".gitattributes": Blob(b"*.parquet filter=lfs\n", False)}, [])

    def add(self, branch: str, message: str, files: dict[str, Blob], gone: list[str]) -> Commit:
        """Put a commit on a branch: what is there, with ``files``, without what is ``gone``."""
        commits = self.branches.setdefault(branch, [])
        there = commits[-1].files if commits else {}
        kept = {path: blob for path, blob in (there | files).items() if path not in gone}
        made = Commit(sha1(b"%d" % next(self._numbers)).hexdigest(), message, kept, [*files, *gone])
        commits.append(made)
        return made

    def find(self, revision: str) -> Commit | None:
        """Return the head of a branch, or the commit of an id."""
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((made for commits in self.branches.values() for made in commits if made.id == revision), None)


@dataclass(frozen=True)
class User:
    """Who a token belongs to; a reader may not write."""

    name: str
    writes: bool = True


@dataclass
class Store:
    users: dict[str, User]
    repos: dict[str, Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)

    def repo(self, name: str, user: User | None) -> Repo | None:
        """Return a repository that the user may see."""
        found = self.repos.get(name)
        hidden = found and found.private and (user is None or user.name != name.split("/")[0])
        return None if hidden else found
