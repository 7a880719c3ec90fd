"""What changed between the start of a run and its resume: refused in one sentence, or said and gone on with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nursery import Nursery, dataset_of
from preludes import NO_REPORT, when_opened

import synthgen

DIES = when_opened("01/completions/opt.jsonl", "os.kill(os.getpid(), 9)")
GOLD = [{"text": f"A film of {word} things, and that is all there is to it.", "label": label} for word in
        ("few", "good", "many", "odd") for label in ("positive", "negative")]  # fmt: skip


def write_gold(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("ends", [True, False])
def test_gold_that_changed_is_refused(
    ends: bool, nursery: Nursery, recipe_of: Callable[..., Path], tmp_path: Path
) -> None:
    gold, out = tmp_path / "gold.jsonl", tmp_path / "run"
    write_gold(gold, GOLD)
    words = ("run", recipe_of(gold=str(gold)), "--out", out)
    assert nursery.run(*words, prelude=NO_REPORT + ("" if ends else DIES)).code == (0 if ends else -9)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    relabelled = [*GOLD[:-1], {**GOLD[-1], "label": "positive"}]
    for changed in (relabelled, GOLD[:-1], [{**GOLD[0], "text": "Another film."}, *GOLD[1:]]):
        write_gold(gold, changed)
        ended = nursery.run(*words, "--resume", prelude=NO_REPORT)
        assert ended.code == 2
        assert ended.sentence == (
            f"The gold data (file:gold.jsonl) is not what the run in {out} began with (file:gold.jsonl); "
            "choose another --out."
        )
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    write_gold(gold, GOLD)
    assert nursery.run(*words, "--resume", prelude=NO_REPORT).code == 0


def manifest_of(out: Path, **changed: Any) -> None:
    path = out / "manifest.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(held | changed), encoding="utf-8")


def test_another_version_goes_on_and_says_so(nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert nursery.run("run", recipe, "--out", out, prelude=DIES).code == -9
    manifest_of(out, versions={"synthgen": "0.0.1"})
    ended = nursery.run("run", recipe, "--out", out, "--resume", prelude=NO_REPORT)
    assert ended.code == 0, ended.err
    assert f"This run was begun by synthgen 0.0.1, and goes on with {synthgen.__version__}." in ended.err
    assert dataset_of(out) == dataset


def test_another_format_is_refused(nursery: Nursery, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert nursery.run("run", recipe, "--out", out, prelude=DIES).code == -9
    manifest_of(out, versions={"synthgen": "9.0"}, format=999)
    ended = nursery.run("run", recipe, "--out", out, "--resume", prelude=NO_REPORT)
    assert ended.code == 2
    assert ended.sentence == (
        f"The run in {out} was written by synthgen 9.0, whose runs this one cannot go on with; install that version, "
        "or choose another --out."
    )


def test_a_folder_of_before_there_were_formats_and_checksums(
    nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert nursery.run("run", recipe, "--out", out, prelude=DIES).code == -9
    held = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    (out / "manifest.json").write_text(json.dumps({name: held[name] for name in held if name != "format"}))
    for path in [*out.rglob("SHA256SUMS"), *out.rglob("state.*")]:
        path.unlink()
    for journal in out.rglob("completions/*.jsonl"):
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        assert all(rows[0].pop("crc32") for rows in lines)
        journal.write_text("".join(json.dumps(rows, ensure_ascii=False) + "\n" for rows in lines), encoding="utf-8")
    asked = when_opened("00/completions", "raise AssertionError('a known answer was asked for again')")
    ended = nursery.run("run", recipe, "--out", out, "--resume", prelude=NO_REPORT + asked)
    assert ended.code == 0, ended.err
    assert dataset_of(out) == dataset


def test_a_recipe_that_was_edited_in_the_folder_is_refused(nursery: Nursery, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert nursery.run("run", recipe, "--out", out, prelude=DIES).code == -9
    kept = out / "recipe.yaml"
    kept.write_text(kept.read_text(encoding="utf-8").replace("seed: 0", "seed: 1"), encoding="utf-8")
    ended = nursery.run("run", kept, "--out", out, "--resume", prelude=NO_REPORT)
    assert ended.code == 2
    assert str(kept) in ended.sentence
