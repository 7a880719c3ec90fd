"""What a Hub in miniature answers: repositories, commits, large files. ``hub_server`` speaks HTTP and makes it fail."""

import base64
import json
import re
from email.message import Message
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub_store import LARGE, Blob, Repo, Store, User

PART = 4096
"""Bytes of a part, where a large file is asked for in parts."""


class Refusal(Exception):  # noqa: N818 (not an error of ours)
    def __init__(self, status: int, says: str, code: str | None = None) -> None:
        super().__init__(says)
        self.status, self.says, self.code = status, says, code


class Api:
    """The answers. ``received`` counts bytes of large files by SHA-256, ``card_says`` is what is thought of a card."""

    def __init__(self) -> None:
        self.store = Store(
            {"hf_writer": User("jane"), "hf_reader": User("jane", writes=False), "hf_other": User("joe")}
        )
        self.received: dict[str, int] = {}
        self.unverified: dict[str, bytes] = {}
        self.multipart = False
        self.parts: dict[str, dict[int, bytes]] = {}
        self.card_says: dict[str, list[dict[str, str]]] = {}
        self.url = ""

    # Who asks, and for what.

    def answer(self, path: str, headers: Message, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(path)
        path = parts.path
        if path.startswith("/lfs/"):
            return self._large(path, {name: values[0] for name, values in parse_qs(parts.query).items()}, body)
        user = self._user(headers)
        if path == "/api/whoami-v2":
            if user is None:
                raise Refusal(401, "Invalid credentials in Authorization header")
            return self._json({"name": user.name, "type": "user"})
        if path == "/api/repos/create":
            return self._create(user, json.loads(body))
        if path == "/api/validate-yaml":
            return self._json(self.card_says, 400 if "errors" in self.card_says else 200)
        if found := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._repo(found[1], user, write=True)
            return self._batch(json.loads(body))
        if found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(
                self._repo(found[1], user), unquote(found[2]), unquote(found[3]), headers.get("Range", "")
            )
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/([a-z-]+)/([^/]+)(?:/(.+))?)?", path):
            return self._dataset(
                found[1], found[2] or "", unquote(found[3] or "main"), unquote(found[4] or ""), user, body
            )
        raise Refusal(404, f"no such page: {path}")

    def _json(self, value: object, status: int = 200) -> tuple[int, bytes, dict[str, str]]:
        return status, json.dumps(value).encode(), {}

    def _user(self, headers: Message) -> User | None:
        given = headers.get("Authorization")
        if given is None:
            return None
        known = self.store.users.get(given.removeprefix("Bearer "))
        if known is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return known

    def _repo(self, name: str, user: User | None, *, write: bool = False) -> Repo:
        found = self.store.repo(name, user)
        if found is None:
            raise Refusal(401 if user is None else 404, "Repository not found", "RepoNotFound")
        if write and not (user and user.writes and user.name == name.split("/")[0]):
            raise Refusal(403, "you must use a write token")
        return found

    def _create(self, user: User | None, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        assert asked["type"] == "dataset"
        if user is None or not user.writes or asked.get("organization") not in {None, user.name}:
            raise Refusal(403, "You don't have the rights to create a dataset under the namespace")
        name = f"{user.name}/{asked['name']}"
        url = {"url": f"{self.url}/datasets/{name}"}
        if name in self.store.repos:
            return self._json({"error": "You already created this dataset repo", **url}, 409)
        self.store.repos[name] = Repo(asked.get("visibility") == "private" or asked.get("private") is True)
        return self._json(url)

    def _dataset(
        self, name: str, what: str, revision: str, rest: str, user: User | None, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        repo = self._repo(name, user, write=what in {"preupload", "commit", "branch"})
        if what == "branch":
            if revision in repo.branches:
                raise Refusal(409, "Reference already exists")
            repo.branches[revision] = list(repo.branches["main"])
            return self._json({})
        head = repo.find(revision)
        if head is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        if what in {"", "revision"}:
            rows = [{"rfilename": path} for path in head.files]
            return self._json({"id": name, "sha": head.id, "private": repo.private, "siblings": rows, "tags": []})
        if what == "paths-info":
            given = parse_qs(body.decode()).get("paths", []) if body[:1] != b"{" else json.loads(body)["paths"]
            return self._json(_rows(head.files, given))
        if what == "tree":
            return self._json(_tree(head.files, rest))
        if what == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": [{**file, "shouldIgnore": False} for file in files]})
        if what == "commit":
            return self._commit(name, repo, revision, [json.loads(line) for line in body.splitlines()])
        raise Refusal(404, f"no such request: {what}")

    def _commit(
        self, name: str, repo: Repo, branch: str, lines: list[dict[str, Any]]
    ) -> tuple[int, bytes, dict[str, str]]:
        header = lines[0]["value"]
        if header.get("parentCommit", repo.branches[branch][-1].id) != repo.branches[branch][-1].id:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files, gone = {}, []
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                if len(self.store.large.get(value["oid"], b"")) != value["size"]:
                    raise Refusal(400, f"{value['path']} was not uploaded")
                files[value["path"]] = Blob(self.store.large[value["oid"]], True)
            else:
                assert line["key"] == "deletedFile"
                assert value["path"] in repo.branches[branch][-1].files
                gone.append(value["path"])
        made = repo.add(branch, header["summary"], files, gone)
        url = f"{self.url}/datasets/{name}/commit/{made.id}"
        return self._json({"commitUrl": url, "commitOid": made.id, "pullRequestUrl": None})

    # Large files: asked for in a batch, put whole or in parts, verified.

    def _batch(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        rows = []
        for one in asked["objects"]:
            row = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.store.large:
                to = f"{self.url}/lfs/{one['oid']}"
                upload: dict[str, Any] = {"href": f"{to}?size={one['size']}"}
                if self.multipart:
                    parts = range(1, -(-one["size"] // PART) + 1)
                    urls = {str(number): f"{to}?part={number}" for number in parts}
                    upload = {"href": f"{to}?complete=1", "header": {"chunk_size": str(PART), **urls}}
                row["actions"] = {"upload": upload, "verify": {"href": f"{to}?verify=1"}}
            rows.append(row)
        return self._json({"objects": rows, "transfer": "multipart" if self.multipart else "basic"})

    def _large(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        oid, store = path.removeprefix("/lfs/"), self.store.large
        if "verify" in query:
            store[oid] = self.unverified.pop(oid) if oid in self.unverified else store[oid]
            assert len(store[oid]) == json.loads(body)["size"]
            return self._json({})
        if "complete" in query:
            parts = self.parts.pop(oid)
            told = {part["partNumber"]: part["etag"] for part in json.loads(body)["parts"]}
            assert told == {number: f'"{sha256(part).hexdigest()}"' for number, part in parts.items()}
            body = b"".join(parts[number] for number in sorted(parts))
        elif "part" in query:
            self.received[oid] = self.received.get(oid, 0) + len(body)
            self.parts.setdefault(oid, {})[int(query["part"])] = body
            return 200, b"", {"ETag": f'"{sha256(body).hexdigest()}"'}
        else:
            assert len(body) == int(query["size"])
            self.received[oid] = self.received.get(oid, 0) + len(body)
        if sha256(body).hexdigest() != oid:
            raise Refusal(400, "the content is not what its name says")
        self.unverified[oid] = body
        return 200, b"", {}

    def _resolve(self, repo: Repo, revision: str, path: str, wanted: str) -> tuple[int, bytes, dict[str, str]]:
        head = repo.find(revision)
        if head is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        if path not in head.files:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        blob = head.files[path]
        etag = sha256(blob.data).hexdigest() if blob.large else blob.oid
        headers = {"X-Repo-Commit": head.id, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted):
            first, last = int(asked[1]), int(asked[2] or len(blob.data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(blob.data)}"
            return 206, blob.data[first : last + 1], headers
        return 200, blob.data, headers


def _rows(files: dict[str, Blob], paths: list[str]) -> list[dict[str, object]]:
    return [files[path].row(path) for path in paths if path in files]


def _tree(files: dict[str, Blob], under: str) -> list[dict[str, object]]:
    inside = {path: blob for path, blob in files.items() if path.startswith(f"{under}/" if under else "")}
    if under and not inside:
        raise Refusal(404, f"{under} does not exist", "EntryNotFound")
    start = len(under) + 1 if under else 0
    folders = {path[:start] + path[start:].split("/")[0] for path in inside if "/" in path[start:]}
    rows: list[dict[str, object]] = [
        {"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders
    ]
    return rows + [blob.row(path) for path, blob in inside.items() if "/" not in path[start:]]
