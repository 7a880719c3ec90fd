"""Runs to publish, made by the real pipeline with the scripted engine, and a Hub of the test's own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serving

from synthgen import api

SMALL = {"engine": "scripted", "samples": 24, "rounds": 1, "demos": 4, "candidates": 8}
PLMS = ["llama2", "opt"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "public"
    api.fusegen("imdb", PLMS, out=path, **SMALL)
    return path


@pytest.fixture(scope="session")
def made_private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published-private")
    seeds = folder / "seeds.jsonl"
    rows = [
        {"text": f"film {number} was {'moving and fun' if number % 2 else 'dull and slow'}", "label": label}
        for number in range(40)
        for label in ["positive" if number % 2 else "negative"]
    ]
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    api.wasp([seeds], PLMS, task="imdb", out=folder / "run", **SMALL)
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A complete run, the test's own to change; its card shows the map."""
    path = Path(shutil.copytree(made, tmp_path / "run"))
    card = path / "dataset" / "README.md"
    if "(plots/cartography.png)" not in (text := card.read_text(encoding="utf-8")):
        card.write_text(f"{text}\n![Map](plots/cartography.png)\n", encoding="utf-8")
    return path


@pytest.fixture
def private_run(made_private: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_private, tmp_path / "private"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub that this process takes for the real one; jane, who may write, is logged in."""
    from huggingface_hub import constants

    with serving() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
        yield served


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make waiting short and note how long it was to be; without it the backoffs of a dead Hub take minutes."""
    asked: list[float] = []
    monkeypatch.setattr("time.sleep", asked.append)
    return asked
