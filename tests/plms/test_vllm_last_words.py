from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.engines.vllm.last_words import advice, last_words, tail

API, ENGINE = "(APIServer pid=12) ", "(EngineCore_DP0 pid=34) "
STAMP = "ERROR 11-22 10:11:12 [core.py:842] "
ECHO = f"{API}RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}\n"

# What vLLM 0.32 and the libraries below it write, and what of it a user should hear.
CASES = {
    "memory taken": (
        f"{ENGINE}{STAMP}Traceback (most recent call last):\n"
        f'{ENGINE}{STAMP}  File "worker/utils.py", line 766, in request_memory\n'
        f"{ENGINE}{STAMP}ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU "
        f"memory utilization (0.9, 71.3 GiB). Decrease GPU memory utilization or reduce GPU memory used.\n{ECHO}",
        "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory "
        "utilization (0.9, 71.3 GiB)",
        "another process holds the memory",
    ),
    "gated": (
        f"{API}huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1)\n\n"
        f"{API}The above exception was the direct cause of the following exception:\n\n"
        f"{API}OSError: You are trying to access a gated repo.\n"
        f"{API}Make sure to have access to it at https://huggingface.co/meta-llama/Llama-2-7b-chat-hf.\n",
        "OSError: You are trying to access a gated repo.",
        "set HF_TOKEN",
    ),
    "settings": (
        f"{API}pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        f"{API}  Value error, User-specified max_model_len (4096) is greater than the derived max_model_len. To allow "
        "it, set the env var X. [type=value_error, input_value=ArgsKwargs((), {'model': ...}), input_type=ArgsKwargs]\n"
        f"{API}    For further information visit https://errors.pydantic.dev/2.14/v/value_error\n",
        "User-specified max_model_len (4096) is greater than the derived max_model_len",
        "smaller max_model_len",
    ),
    "flag": (
        "usage: vllm [-h] [-v]\n            {chat,serve}\n"
        "            ...\nvllm: error: unrecognized arguments: --x=3\n",
        "vllm: error: unrecognized arguments: --x=3",
        "take it out",
    ),
    "only an echo": (ECHO, "RuntimeError: Engine core initialization failed", ""),
    "no exception": ("INFO loading\n\nKilled\n\n", "Killed", ""),
    "nothing": ("\n \n", "", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cause_is_told_and_not_its_echo(case: str, tmp_path: Path) -> None:
    written, said, what = CASES[case]
    log = tmp_path / "log"
    log.write_text(written, encoding="utf-8")
    assert last_words(log) == said
    assert what in advice(said)
    assert bool(what) == bool(advice(said))


@given(noise=st.binary(max_size=300), since=st.integers(0, 400))
def test_any_bytes_give_one_line(tmp_path_factory: pytest.TempPathFactory, noise: bytes, since: int) -> None:
    log = tmp_path_factory.mktemp("noise") / "log"
    log.write_bytes(noise)
    said = last_words(log, since)
    assert len(said.splitlines()) <= 1
    log.write_bytes(noise + b"\nValueError: the cause\n")
    assert last_words(log) == "ValueError: the cause"


def test_the_end_of_a_long_log_is_read_and_no_log_is_silence(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"ValueError: old\n" + b"INFO line\n" * 100_000 + "ValueError: new ü\n".encode())
    assert last_words(log) == "ValueError: new ü"
    assert len(tail(log)) < 300_000
    assert last_words(tmp_path / "absent") == ""
