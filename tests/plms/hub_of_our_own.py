"""A Hub in miniature, over real HTTP: one repository, org/model, and the refusals of the real one."""

import json
from http.server import BaseHTTPRequestHandler

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """What the Hub answers: ``files`` by path, ``status`` and ``code`` where it refuses; ``asked`` counts requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.revisions = {"main", COMMIT}
        self.status = 200
        self.code: str | None = None
        self.page = b""
        self.asked: list[str] = []


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            if hub.page or hub.status != 200:
                self.answer(hub.status, hub.page, code=hub.code, text="text/html")
            elif self.path.startswith("/api/models/org/model"):
                rows = [{"rfilename": name, "size": size} for name, size in hub.sizes.items()]
                self.answer(200, json.dumps({"id": "org/model", "siblings": rows}).encode())
            else:
                *_, revision, name = self.path.split("/")
                if revision not in hub.revisions:
                    self.answer(404, code="RevisionNotFound")
                elif name not in hub.files:
                    self.answer(404, code="EntryNotFound")
                else:
                    self.answer(200, hub.files[name])

        def answer(self, status: int, body: bytes = b"", *, code: str | None = None, text: str = "text/json") -> None:
            self.send_response(status)
            for name, value in {"X-Error-Code": code, "Content-Type": text}.items():
                if value:
                    self.send_header(name, value)
            if status == 200 and not hub.page:
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{len(body)}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Answers
