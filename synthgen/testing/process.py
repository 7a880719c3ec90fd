"""The server as a process of its own, so that its work is not counted as the client's."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, cast

from synthgen.plms.engines.scripted import default_script
from synthgen.testing.faults import Fault, parse_fault
from synthgen.testing.server import ScriptedServer


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT; the URL is the first line on stdout. Exits with 2 where an argument is wrong."""
    given = _parser().parse_args(arguments)
    server = ScriptedServer(
        models=given.model or ("mine",),
        script=given.script,
        label=given.label,
        faults=given.fault,
        max_model_len=given.max_model_len,
        max_in_flight=given.max_in_flight,
        latency=given.latency,
        seed=given.seed,
        api_key=given.api_key,
        record=False,
        port=given.port,
    )
    ends = {signal.SIGTERM, signal.SIGINT}
    # Before the thread starts, which inherits it: a blocked signal waits for sigwait instead of ending the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        signal.sigwait(ends)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synthgen.testing.server", allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--model", action="append", help="a name to serve; may be given again (default: mine)")
    parser.add_argument("--script", type=_function, default=default_script, metavar="MODULE:FUNCTION")
    parser.add_argument("--label", type=_label, default="", metavar="TEXT|MODULE:FUNCTION")
    parser.add_argument("--fault", type=_fault, action="append", default=[], metavar="KIND[,every=N][,first=N]...")
    parser.add_argument("--max-model-len", type=int, help="words of prompt and answer together")
    parser.add_argument("--max-in-flight", type=int, help="answer 429 beyond so many at once")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every completion")
    parser.add_argument("--seed", type=int, default=0, help="of requests that have none")
    parser.add_argument("--api-key")
    return parser


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _function(text: str) -> Callable[..., Any]:
    module, _, name = text.partition(":")
    try:
        return cast(Callable[..., Any], getattr(import_module(module), name))
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} is no MODULE:FUNCTION ({error})") from None


def _label(text: str) -> str | Callable[[str], str]:
    return _function(text) if ":" in text else text
