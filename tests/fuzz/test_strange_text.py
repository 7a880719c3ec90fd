"""Control characters, reversed and invisible text, templates and markup: shown as text, on one line, in their place."""

import json
import re
from pathlib import Path

import pytest
from hostile_writers import MANIFEST, METRICS, RECIPE, _page

from synthgen.cli import main
from synthgen.errors import UserError
from synthgen.report.card import dataset_card
from synthgen.report.wording import clean
from synthgen.tasks.registry import load_task

INVISIBLE = (
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\u200e",
    "\x1b[2J",
    "\x07",
    "\x00",
    "\u2028",
    "\U000e0041",
)
MARKUP = (
    "{{7*7}}", "{% raw %}", "{{ config }}", "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>",
    "<!--", "[x](javascript:alert(1))", "![x](https://x.test/y.png)", "| a | b |", "\n---\ntitle: x\n---\n", "```",
    "&#60;b&#62;",
)  # fmt: skip


def named(word: str) -> tuple[dict, dict, dict]:
    recipe = {**RECIPE, "task": {"name": word, "about": word, "labels": [f"{word}a", f"{word}b"]}, "about": word}
    manifest = {**MANIFEST, "plms": [{**MANIFEST["plms"][0], "name": word, "license": word}]}
    return recipe, manifest, {**METRICS, "samples_by_label": {word: 4}, "samples_by_plm": {word: 4}}


@pytest.mark.parametrize("sign", INVISIBLE)
def test_pages_and_cards_show_nothing_invisible(sign: str) -> None:
    word = f"left{sign}right"
    card, page = dataset_card(*named(word)), _page([word] * 8)
    for shown in (card, re.sub(r"<script.*?</script>|<pre.*?</pre>", "", page, flags=re.DOTALL)):
        for one in sign if sign[0] != "\x1b" else "\x1b":
            assert one not in shown
    assert clean(word) in {"left right", "leftright", "left[2Jright", "left [2Jright"}


@pytest.mark.parametrize("text", MARKUP)
def test_pages_and_cards_run_and_fetch_nothing(text: str) -> None:
    card, page = dataset_card(*named(text)), _page([text] * 8)
    plain = _page(["plain"] * 8)
    assert page.count("<script") == plain.count("<script")
    assert page.count("<img") == plain.count("<img")
    assert "49" not in re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)[0]
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    assert "title: x" not in [line for line in front.splitlines() if not line.startswith(" ")]
    body = re.sub(r"^(`{3,}).*?^\1$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)(<(script|img|!--)|\]\((javascript|https://x\.test))", body)
    tables = [block.splitlines() for block in body.split("\n\n") if block.startswith("|")]
    assert tables
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines


@pytest.mark.parametrize(
    "arguments", [["--task", "a\x1b[31mb"], ["--plms", "a\u202eb"], ["--set", "x\x07=1"], ["--stm", "\x1b]0;x\x07"]]
)
def test_what_the_command_line_says_cannot_drive_a_terminal(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["fusegen", "--engine", "scripted", "--task", "imdb", *arguments])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert shown.count("\n") <= 2


def test_what_nobody_expected_cannot_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("ray::Writer\n  File x\n\x1b[31m" + "y" * 5000)

    monkeypatch.setattr("synthgen.cli.app.app", fail)
    with pytest.raises(SystemExit) as ended:
        main(["fusegen"])
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Error: synthgen failed unexpectedly (RuntimeError: ray::Writer")
    assert shown.rstrip("\n").isprintable()
    assert len(shown) < 1_100


def test_a_sentence_about_a_long_text_is_short(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    task = load_task("imdb").model_dump(mode="json")
    path.write_text(json.dumps({**task, "labels": ["x" * 100_000, "x" * 100_000]}), encoding="utf-8")
    with pytest.raises(UserError) as said:
        load_task(str(path))
    assert len(str(said.value)) < 1_500
    with pytest.raises(UserError) as said:
        load_task("y" * 100_000)
    assert len(str(said.value)) < 1_500
