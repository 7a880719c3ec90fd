"""Tasks of pairs and of attributes, through whole runs: what is given, what is written, what is kept of both."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from synthgen.api import execute
from synthgen.errors import UserError
from synthgen.recipe import make_recipe, read_recipe
from synthgen.runs.read import load_run

WORDS = "quiet river bends past the old mill where nobody ever saw number".split()
PAIRS: dict[str, Any] = {
    "name": "answers",
    "about": "questions, and sentences that answer them or do not",
    "labels": ["answered", "open"],
    "first": {"field": "text_pair", "prompt": 'A sentence: "', "min_words": 4},
    "prompts": {
        "zero_shot": 'Said: {first}\nA question, {label}: "',
        "demonstration": "Said: {text_pair} Asked: {text}\n",
        "few_shot": '{demonstrations}\nSaid: {first}\nOne more question, {label}: "',
        "bad": "Weak. Said: {text_pair} Asked: {text}\n",
        "good": "Strong. Said: {text_pair} Asked: {text}\n",
        "contrastive": '{demonstrations}\nSaid: {first}\nOne more question, {label}: "',
    },
    "curate": {"min_words": 3, "ends": "?"},
}
REVIEWS: dict[str, Any] = {
    "name": "shops",
    "about": "reviews of businesses",
    "labels": ["Bars", "Hotels"],
    "attributes": {"name": "rating", "values": ["1 star", "2 stars", "3 stars"]},
    "prompts": {
        "zero_shot": 'A review of {label} with {attribute}: "',
        "demonstration": "A review: {text}\n",
        "few_shot": '{demonstrations}\nA review of {label} with {attribute}: "',
        "bad": "Weak: {text}\n",
        "good": "Strong: {text}\n",
        "contrastive": '{demonstrations}\nA review of {label} with {attribute}: "',
    },
}
FEW: dict[str, Any] = {"engine": "scripted", "samples": 24, "rounds": 2, "demos": 2, "candidates": 6, "gold": "none"}
METHODS = ("zerogen", "progen", "sungen", "fusegen", "wasp", "augpe", "pe", "pcevolve")
PRIVATE = ("wasp", "augpe", "pe", "pcevolve")


def written(path: Path, task: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(task), encoding="utf-8")
    return str(path)


def sentences(path: Path, count: int = 40) -> str:
    path.write_text("\n".join(f"{' '.join(WORDS)} {number}." for number in range(count)), encoding="utf-8")
    return str(path)


def own(method: str, folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Return the private samples that a private method needs."""
    if method not in PRIVATE:
        return {}
    rows = []
    for number in range(24):
        row = {"text": f"What was it that number {number} saw?", "label": task["labels"][number % 2]}
        rows.append(row | ({"text_pair": f"Number {number} saw it all."} if "first" in task else {}))
    path = folder / "private.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return {"private": [str(path)]}


def run_of(method: str, folder: Path, task: dict[str, Any], **more: Any) -> Any:
    settings = {"method": method, "plms": ["gpt2", "opt"]} | FEW | own(method, folder, task) | more
    settings["task"] = written(folder / "task.yaml", task)
    resume = settings.pop("resume", "never")
    execute(make_recipe(settings), out=folder / "run", resume=resume)
    return load_run(folder / "run")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_the_second_sentence_to_a_given_first_one(method: str, tmp_path: Path) -> None:
    run = run_of(method, tmp_path, PAIRS, first_sentences=sentences(tmp_path / "firsts.txt"))
    given = set((tmp_path / "firsts.txt").read_text(encoding="utf-8").splitlines())
    samples = run.samples()
    assert {sample["text_pair"] for sample in samples} <= given
    assert all(sample["text"].endswith("?") for sample in samples)
    table = pq.read_table(tmp_path / "run" / "dataset" / "train.parquet")
    assert set(table["text_pair"].to_pylist()) <= given
    shown = [row for chosen in run.demonstrations() for row in chosen]
    assert all(row["text_pair"] in given for row in shown)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_uses_every_attribute_alike(method: str, tmp_path: Path) -> None:
    run = run_of(method, tmp_path, REVIEWS, samples=48)
    counts = Counter((row["label"], row["attribute"]) for row in run.samples() if row["round"] == 0)
    assert set(counts) == {(label, value) for label in REVIEWS["labels"] for value in REVIEWS["attributes"]["values"]}
    assert max(counts.values()) - min(counts.values()) <= 1, "the scripted engine's texts are all accepted"
    assert "attribute" in pq.read_table(tmp_path / "run" / "dataset" / "train.parquet").column_names


def test_plms_write_first_sentences_where_none_are_given_and_a_resume_takes_them_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of("fusegen", tmp_path, PAIRS)
    for number in range(3):
        folder = tmp_path / "run" / "rounds" / f"{number:02d}"
        found = json.loads((folder / "first_sentences.json").read_text(encoding="utf-8"))
        own_of = {(row["plm"], row["text_pair"]) for row in run.samples() if row["round"] == number}
        assert own_of <= {(plm, sentence) for plm, sentences in found.items() for sentence in sentences}
    before = (tmp_path / "run" / "dataset" / "train.parquet").read_bytes()
    monkeypatch.setattr("synthgen.plms.engines.scripted.open_scripted", None)
    run_of("fusegen", tmp_path, PAIRS, resume="always")
    assert (tmp_path / "run" / "dataset" / "train.parquet").read_bytes() == before


def test_a_first_sentence_is_asked_about_for_every_label(tmp_path: Path) -> None:
    run = run_of("zerogen", tmp_path, PAIRS, rounds=0, first_sentences=sentences(tmp_path / "firsts.txt"))
    labels: dict[tuple[str, str], set[str]] = {}
    for row in run.samples():
        labels.setdefault((row["plm"], row["text_pair"]), set()).add(row["label"])
    assert sum(len(found) == 2 for found in labels.values()) >= 0.9 * len(labels)


def test_pool_rows_of_pairs_are_judged_by_what_was_written(tmp_path: Path) -> None:
    rows = [
        {"text": f"Who saw number {number} {WORDS[number % 9]} there?", "text_pair": "One long first sentence for all.",
         "label": PAIRS["labels"][number % 2], "plm": "gpt2"}
        for number in range(24)
    ]  # fmt: skip
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = {"pool": [str(tmp_path / "pool.jsonl")], "rounds": 0, "samples": 20}
    run = run_of("zerogen", tmp_path, PAIRS, plms=["gpt2=pool"], **settings)
    assert {row["text_pair"] for row in run.samples()} == {"One long first sentence for all."}
    assert len(run.samples()) == 20


def test_sentences_for_a_task_of_single_texts_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Task shops has single texts; leave --first-sentences out\.$"):
        run_of("zerogen", tmp_path, REVIEWS, first_sentences=sentences(tmp_path / "firsts.txt"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"prompts": {**PAIRS["prompts"], "zero_shot": 'A question, {label}: "'}},
            "prompts.zero_shot has no slot {first}",
        ),
        ({"prompts": {**PAIRS["prompts"], "bad": "{text}"}}, "prompts.bad has no slot {text_pair}"),
        ({"first": None}, "prompts.bad cannot have the slot {text_pair}"),
    ],
)
def test_slots_and_kind_of_task_must_agree(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as failed:
        run_of("zerogen", tmp_path, PAIRS | change)
    assert said in str(failed.value)


def test_a_run_outlives_its_task_file(tmp_path: Path) -> None:
    run_of("fusegen", tmp_path, PAIRS, first_sentences=sentences(tmp_path / "firsts.txt"))
    dataset = (tmp_path / "run" / "dataset" / "train.parquet").read_bytes()
    (tmp_path / "task.yaml").unlink()
    recipe = read_recipe(tmp_path / "run" / "recipe.yaml")
    assert execute(recipe, out=tmp_path / "run", resume="always").task.first is not None
    assert (tmp_path / "run" / "dataset" / "train.parquet").read_bytes() == dataset
    execute(recipe, out=tmp_path / "again")
    assert (tmp_path / "again" / "dataset" / "train.parquet").read_bytes() == dataset


def test_a_task_file_that_changed_is_not_resumed_with(tmp_path: Path) -> None:
    run_of("fusegen", tmp_path, PAIRS)
    with pytest.raises(UserError, match=r"^Task answers is not as it was when the run in .* began;"):
        run_of("fusegen", tmp_path, PAIRS | {"describe": {"open": "left open"}}, resume="always")


def test_a_run_does_not_go_on_with_other_first_sentences(tmp_path: Path) -> None:
    firsts = sentences(tmp_path / "firsts.txt")
    run_of("fusegen", tmp_path, PAIRS, first_sentences=firsts)
    sentences(tmp_path / "firsts.txt", 39)
    with pytest.raises(UserError, match=r"^The first sentences are not those that the run in"):
        run_of("fusegen", tmp_path, PAIRS, first_sentences=firsts, resume="always")


def test_given_sentences_stand_on_one_line_and_end_no_quote(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text(json.dumps({"text": 'He said "hi"\n and went away.'}), encoding="utf-8")
    run = run_of("zerogen", tmp_path, PAIRS, rounds=0, first_sentences=str(tmp_path / "odd.jsonl"))
    assert {row["text_pair"] for row in run.samples()} == {"He said 'hi' and went away."}


@pytest.mark.parametrize("vary", ["imitate", "rephrase", "blanks"])
def test_a_variation_keeps_what_was_drawn_for_its_parent(vary: str, tmp_path: Path) -> None:
    for task, name in ((PAIRS, "text_pair"), (REVIEWS, "attribute")):
        folder = tmp_path / name
        folder.mkdir()
        run = run_of("augpe", folder, task, options={"vary": vary}, samples=36)
        rows = {row["id"]: row for row in run.samples()}
        children = [row for row in rows.values() if "parent" in row]
        assert children
        assert all(row[name] == rows[row["parent"]][name] for row in children)
        if name == "text_pair":
            later = list((folder / "run").glob("rounds/0[12]/first_sentences.json"))
            assert not any(json.loads(path.read_text(encoding="utf-8")) for path in later), "none was asked for"


def test_attributes_of_a_pool_are_kept_and_missing_ones_drawn_later(tmp_path: Path) -> None:
    rows = [
        {"text": f"A place by the river, number {n} {WORDS[n % 9]} of many.", "label": REVIEWS["labels"][n % 2],
         "plm": "gpt2", **({"attribute": "2 stars"} if n < 24 else {})}
        for n in range(48)
    ]  # fmt: skip
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    more = {"pool": [str(tmp_path / "pool.jsonl")], "plms": ["gpt2"], "options": {"vary": "rephrase"}, "samples": 70}
    run = run_of("augpe", tmp_path, REVIEWS, **more)
    held = {row["id"]: row for row in run.samples()}
    assert {row.get("attribute") for row in held.values() if row["round"] == 0} == {"2 stars", None}
    values = set(REVIEWS["attributes"]["values"])
    assert all(row["attribute"] in values for row in held.values() if row["round"]), "no prompt is sent with a hole"


def test_a_pool_with_a_foreign_attribute_or_needless_pair_is_refused(tmp_path: Path) -> None:
    row = {"text": "A place by the river, one of many.", "label": "Bars", "plm": "gpt2"}
    for more, said in (({"attribute": "9 stars"}, "its rating is 1 star"), ({"text_pair": "b"}, "has single texts")):
        (tmp_path / "pool.jsonl").write_text(json.dumps(row | more), encoding="utf-8")
        with pytest.raises(UserError, match=said):
            run_of("zerogen", tmp_path, REVIEWS, pool=[str(tmp_path / "pool.jsonl")])


def test_an_attribute_stays_with_its_place_until_there_is_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthgen.plms.engines import scripted

    def unwilling(request: Any) -> str:
        # Three stars come hard: the first two answers are of no use.
        late = int(request.id.rsplit("-", 1)[1]) < 16
        return "No." if "3 stars" in request.prompt.rsplit("\n", 1)[-1] and late else scripted.default_script(request)

    monkeypatch.setattr(scripted, "open_scripted", lambda plm, note: scripted.ScriptedEngine(unwilling))
    run = run_of("zerogen", tmp_path, REVIEWS, rounds=0, samples=24)
    counts = Counter((row["label"], row["attribute"]) for row in run.samples())
    assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) <= 1
