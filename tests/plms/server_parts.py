"""What the tests of the server engine share: requests, an engine with little patience, a server that does as told."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.engine import ServerEngine
from synthgen.plms.engines.server.patience import Patience
from synthgen.plms.serving import Serving
from synthgen.records import Completion, Request, Sampling
from synthgen.seeds import derive_seed

PROMPTS = ['A review reads: "', 'a longer prompt, with two films and more than that, reads: "', 'x: "']
SHORT = Patience(tries=4, load=2.0, absence=1.0, first=0.01, longest=0.05)


def requests(count: int, *, prompts: Sequence[str] = PROMPTS, tokens: int = 60, stop: str = '"') -> list[Request]:
    sampling = Sampling(max_tokens=tokens, stop=stop)
    return [
        Request(f"r{n:04d}", "mine", 0, "positive", prompts[n % len(prompts)], derive_seed("t", n), sampling)
        for n in range(count)
    ]


class Asking:
    """A server engine and the notes it made. ``fixed``: the user has said whether it is a chat model."""

    def __init__(
        self,
        *urls: str,
        name: str = "mine",
        patience: Patience = SHORT,
        chat: bool = False,
        choices: int = 1,
        alive: Callable[[], bool] | None = None,
        revive: Callable[[], str] | None = None,
        fixed: bool = False,
        **serving: Any,
    ) -> None:
        self.notes: list[str] = []
        settings = Serving(chat=chat if fixed else None, **serving)
        plm = PLM(name, "mine", "endpoint", urls=urls, choices=choices, chat=chat, serving=settings)
        self.engine = ServerEngine(plm, urls, note=self.notes.append, patience=patience, alive=alive, revive=revive)

    def texts(self, asked: Sequence[Request]) -> dict[str, str]:
        """Return each request's text; every one must be answered, once."""
        found = self.completions(asked)
        return {request: completion.text for request, completion in found.items()}

    def completions(self, asked: Sequence[Request]) -> dict[str, Completion]:
        came = list(self.engine.generate(asked))
        assert sorted(completion.request for completion in came) == sorted(request.id for request in asked)
        return {completion.request: completion for completion in came}

    def until_error(self, asked: Sequence[Request]) -> tuple[dict[str, str], BaseException]:
        """Return what came before the error, and the error."""
        came: dict[str, str] = {}
        try:
            for completion in self.engine.generate(asked):
                assert completion.request not in came
                came[completion.request] = completion.text
        except Exception as error:
            return came, error
        raise AssertionError("no error came")


Told = Callable[[str, dict[str, Any]], tuple[int, Any]]


@contextmanager
def stub(told: Told) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Serve what ``told`` makes of path and body: a status, and JSON or bytes. Yield the URL and what was asked."""
    seen: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece

        def _answer(self, body: dict[str, Any]) -> None:
            seen.append((self.path, body))
            status, answer = told(self.path, body)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *parts: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # else a burst of connections waits a second

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: str, *, chat: bool = False) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {"model": "mine", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}


def refusal(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
