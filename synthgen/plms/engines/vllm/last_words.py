"""What a vLLM that ended had to say: the line of its log that names the cause."""

import re
from pathlib import Path

_TAIL = 1 << 18  # bytes: vLLM ends with tracebacks of several processes
_LONGEST = 300

_PREFIX = re.compile(r"^(?:\([^()]* pid=\d+\) )?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*(?:\w*(?:Error|Exception)|[A-Za-z]*Interrupt|SystemExit)(?:: |$)")
_ARGUMENT = re.compile(r"^[\w. -]+: error: ")
_NEXT_SENTENCE = re.compile(r"\.\s+(?=[A-Z])")
_INVALID = re.compile(r"\d+ validation errors? for ")

# Said by the process that only watched another one fail, or by one that was told to end.
_ECHOES = ("Engine core ", "EngineCore ", "KeyboardInterrupt", "SystemExit", "asyncio.exceptions.CancelledError")

_ADVICE = (
    (
        ("out of memory", "OutOfMemory", "No available memory for the cache", "KV cache memory"),
        "give it more of the GPU (gpu_memory_utilization), more GPUs (tensor_parallel_size) or a smaller max_model_len",
    ),
    (("on startup is less than desired",), "another process holds the memory: end it or lower gpu_memory_utilization"),
    (("gated repo", "GatedRepo"), "accept its terms on its page of the Hub and set HF_TOKEN"),
    (("trust_remote_code", "trust-remote-code"), "set trust_remote_code for this PLM if you trust its authors"),
    (("max_model_len (",), "ask for a smaller max_model_len"),
    (("couldn't connect to",), "download it beforehand, or check the connection and HF_HUB_OFFLINE"),
    (("unrecognized arguments",), "this vLLM has no such flag: take it out of the PLM's flags"),
    (("No space left on device",), "free some space and run it again"),
)


def last_words(log: Path, since: int = 0) -> str:
    """Return the sentence of ``log``, from byte ``since`` on, that says what went wrong; "" where nothing was said.

    That is the last exception's which is no echo of another process's, or else the last line.
    """
    lines = [_PREFIX.sub("", line).rstrip() for line in tail(log, since).splitlines()]
    causes = [at for at, line in enumerate(lines) if _EXCEPTION.match(line) or _ARGUMENT.match(line)]
    firsthand = [at for at in causes if not any(echo in lines[at] for echo in _ECHOES)]
    if not causes:
        return next((line.strip()[:_LONGEST] for line in reversed(lines) if line.strip()), "")
    at = (firsthand or causes)[-1]
    said = lines[at]
    if _INVALID.search(said):
        # pydantic says what was invalid on the line below, with its own inputs behind it.
        said = next((line.strip() for line in lines[at + 1 :] if line.startswith("  ")), said).partition(" [type=")[0]
    said = _NEXT_SENTENCE.split(said.removeprefix("Value error, "), maxsplit=1)[0]
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST].rstrip()}…"


def advice(said: str) -> str:
    """Return what a user can do about it, or "" where that is not known."""
    return next((what for signs, what in _ADVICE if any(sign in said for sign in signs)), "")


def tail(log: Path, since: int = 0) -> str:
    """Return the end of the log as text, whatever bytes are in it; "" where there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - _TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
