"""A user's mistake: one sentence on stderr, exit code 2, nothing half-written."""

import gzip
import json
from pathlib import Path

import pytest
from cli.conftest import SCRIPTED, Cli

GOOD = [json.dumps({"text": f"text {n}", "label": ["negative", "positive"][n % 2]}) for n in range(4)]


def refused(cli: Cli, *arguments: object, says: str) -> None:
    before = sorted(Path().rglob("*"))
    ran = cli(*arguments)
    assert ran.code == 2, ran.err
    assert ran.out == ""
    sentences = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert len(sentences) == 1
    assert says.lower() in sentences[0].lower()
    assert "Traceback" not in ran.err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "imbd"], "did you mean imdb?"),
        (["--task", "nothing.yaml"], "no task file"),
        (["--plms", "lama2"], "did you mean llama2?"),
        (["--plms", "llama2:huge"], "it has pocket, paper"),
        (["--plms", "llama2,llama2"], "Two PLMs are called 'llama2'"),
        (["--plms", "./nowhere"], "no model folder"),
        (["--plms", "mine=http://me:secret@localhost:1/v1"], "SYNTHGEN_API_KEY"),
        (["--plms", "mine=http://"], "http://host:8000/v1"),
        (["--endpoint", "ftp://host/v1"], "http://"),
        (["--set", "serving.lama2.choices=4"], "llama2"),
        (["--set", "serving.llama2.choises=4"], "did you mean choices?"),
        (["--set", "serving.all.in_flight=0"], "in_flight"),
        (["--plms", ","], "plms"),
        (["--stm", "tfdif"], "did you mean tfidf?"),
        (["--stm", "embedding"], "embedding:<model>"),
        (["--samples", "0"], "samples"),
        (["--samples", "-5"], "samples"),
        (["--rounds", "-1"], "rounds"),
        (["--demos", "0"], "demos"),
        (["--demos", "13"], "13 demonstrations cannot be picked from 12"),
        (["--samples", "2", "--demos", "4"], "4 demonstrations are more than the 2 samples"),
        (["--gold", "missing.jsonl"], "missing.jsonl"),
        (["--resume", "always", "--out", "new"], "no run to resume in new"),
        (["--set", "nonsense"], "NAME=VALUE"),
        (["--set", "sampels=4"], "did you mean samples?"),
        (["--set", "options.selct=random"], "did you mean select?"),
        (["--set", "options.high=2"], "high"),
        (["--engine", "vlm"], "There is no engine 'vlm'; did you mean vllm?"),
        (["--samples", "few"], "--samples"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_arguments(cli: Cli, arguments: list[str], says: str) -> None:
    refused(cli, *SCRIPTED, *arguments, says=says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"{broken\n", "line 1"),
        (b'{"text": "a", "label": "positive"}\n{"text": "b"\n', "line 2"),
        (b'{"text": "a"}\n', "label"),
        (b'{"label": "positive"}\n', "text"),
        (b'{"text": "a", "label": "neutral"}\n', "neutral"),
        (b'{"text": "a", "label": 7}\n', "7"),
        (b'{"text": "caf\xe9", "label": "positive"}\n', "UTF-8"),
        (b'{"text": "a", "label": "positive"}\n{"text": "b", "label": "positive"}\n', "label"),
        (b"[1, 2]\n", "object"),
    ],
)
def test_wrong_gold_files(cli: Cli, tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "gold.jsonl").write_bytes(content)
    refused(cli, *SCRIPTED, "--gold", "gold.jsonl", says=says)


def test_a_damaged_gzip_gold_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl.gz").write_bytes(gzip.compress("\n".join(GOOD).encode())[:-9])
    refused(cli, *SCRIPTED, "--gold", "gold.jsonl.gz", says="gold.jsonl.gz")


def test_an_occupied_folder(cli: Cli, tmp_path: Path) -> None:
    assert cli(*SCRIPTED, "--gold", "none", "--out", "run").code == 0
    refused(cli, *SCRIPTED, "--gold", "none", "--out", "run", says="already holds a run")
    refused(cli, *SCRIPTED, "--gold", "none", "--out", "run", "--seed", "9", "--resume", says="its seed differs")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    refused(cli, *SCRIPTED, "--gold", "none", "--out", "other", says="holds no run")


def test_a_damaged_pocket_model(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from synthgen.plms import catalog, pocket

    copy = tmp_path.parent / f"{tmp_path.name}-pocket"
    shutil.copytree(pocket.POCKET, copy / "pocket")
    weights = copy / "pocket" / "opt" / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(bytes(damaged))
    monkeypatch.setattr(catalog, "_HERE", copy)
    arguments = ["fusegen", "--task", "imdb", "--plms", "llama2,opt", "--profile", "pocket", "--gold", "none"]
    refused(cli, *arguments, says="pocket/opt/model.safetensors is damaged")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "none.yaml"],
        ["evaluate", "nowhere", "--task", "imdb"],
        ["cartography", "nowhere"],
        ["samples", "nowhere"],
        ["compare", "nowhere"],
        ["samples", "nowhere", "--count", "0"],
        ["plan", "fusegen", "--task", "imbd"],
        ["fly"],
    ],
)
def test_other_commands(cli: Cli, arguments: list[str]) -> None:
    refused(cli, *arguments, says="")
