"""ZeroGen's first stage: PLMs write what their texts will be about."""

import json
from pathlib import Path
from typing import Any

import pytest

from synthgen import execute, load_run
from synthgen.errors import UserError
from synthgen.events import Event, Note, RoundStarted
from synthgen.plms.engines import scripted
from synthgen.recipe import Recipe, make_recipe
from synthgen.records import Request

PLMS = ("vicuna", "opt")


def recipe(**settings: Any) -> Recipe:
    few = {"samples": 8, "rounds": 1, "demos": 1, "candidates": 2, "gold": "none", "options": {"contexts": "yes"}}
    return make_recipe({"method": "zerogen", "task": "imdb", "plms": PLMS, **few, **settings})


def test_every_plm_names_its_own_contexts_and_is_asked_about_them(tmp_path: Path) -> None:
    run = execute(recipe(), out=tmp_path / "run")
    assert run.metrics["samples"] == 16
    for number in (0, 1):
        folder = run.path / "rounds" / f"{number:02d}"
        contexts = json.loads((folder / "contexts.json").read_text(encoding="utf-8"))
        assert set(contexts) == set(PLMS)
        for plm in PLMS:
            written = contexts[plm]
            assert written
            assert len({context.casefold() for context in written}) == len(written)
            assert all('"' not in context and "\n" not in context for context in written)
            assert (folder / "completions" / "contexts" / f"{plm}.jsonl").read_text(encoding="utf-8")


def test_a_run_that_was_stopped_asks_for_no_context_again(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, RoundStarted) and event.round == 1:
            raise KeyboardInterrupt

    whole = execute(recipe(), out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        execute(recipe(), out=tmp_path / "run", observe=stop)
    journal = tmp_path / "run" / "rounds" / "00" / "completions" / "contexts" / "opt.jsonl"
    before = journal.read_bytes()
    resumed = execute(recipe(), out=tmp_path / "run", resume="always")
    assert journal.read_bytes() == before
    assert [sample["text"] for sample in resumed.samples()] == [
        sample["text"] for sample in load_run(whole.path).samples()
    ]


def test_too_few_contexts_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(request: Request) -> str:
        return scripted.default_script(request) if request.label else "One Title"

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note=None: scripted.ScriptedEngine(script))
    heard: list[Event] = []
    execute(recipe(engine="scripted"), out=tmp_path / "run", observe=heard.append)
    assert any("vicuna wrote 1 different contexts" in str(event) for event in heard if isinstance(event, Note))


def test_a_task_without_contexts_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="context"):
        execute(recipe(task="banking77", samples=200), out=tmp_path / "run")
