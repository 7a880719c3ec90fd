"""Pools: what a file may hold, which texts a run takes, and PLMs that are nothing but a pool."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen import execute
from synthgen.cli import main
from synthgen.curate.curator import Curator
from synthgen.errors import UserError
from synthgen.events import Event, Note
from synthgen.generate import Order
from synthgen.plan import plan_recipe
from synthgen.pool import Pool, Reserve, plms_of, read_pool
from synthgen.recipe import make_recipe
from synthgen.records import Sampling
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")


def put(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def row(number: int, label: object = "positive", **more: Any) -> dict[str, Any]:
    return {"text": f"A film, number {number}, that I would gladly see again tomorrow evening.", "label": label, **more}


GOOD = [row(1, 1, plm="gpt2"), row(2, "negative", plm="gpt2-xl"), row(3, "0", plm="gpt2")]


def test_reads_names_and_ids_plain_and_zipped(tmp_path: Path) -> None:
    pool = read_pool([put(tmp_path / "a.jsonl", GOOD)], TASK)
    assert pool.plms == ("gpt2", "gpt2-xl")
    assert len(pool) == 3
    assert len(pool.texts["gpt2", "negative"]) == 1
    zipped = tmp_path / "a.jsonl.gz"
    zipped.write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    assert read_pool([str(zipped)], TASK).digest == pool.digest


def test_plms_of_the_catalog_go_on_writing_others_do_not(tmp_path: Path) -> None:
    assert plms_of(read_pool([put(tmp_path / "a.jsonl", GOOD)], TASK)) == ("gpt2", "gpt2-xl=pool")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [row(1, plm="gpt2"), row(2, "positve", plm="gpt2")],
            r"Line 2 of pool file a.jsonl .* did you mean positive\?",
        ),
        ([row(1, plm="gpt2"), row(2, 7, plm="gpt2")], "Line 2 .* label id 7"),
        ([row(1, plm="gpt2"), row(2, "negative")], "Line 2 of pool file a.jsonl has no plm"),
        ([row(1, plm="gpt2"), row(2, plm="opt")], "one label only"),
        ([{"label": 1, "plm": "gpt2"}], "Line 1 .* has no text"),
        ([], "is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(rows: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read_pool([put(tmp_path / "a.jsonl", rows)], TASK)


@given(
    have=st.integers(0, 6),
    wanted=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    seed=st.integers(0, 3),
)
def test_a_text_is_taken_once_and_as_long_as_there_are_some(have: int, wanted: list[int], seed: int) -> None:
    texts = tuple(
        f"{first} {second} films make {first} evenings with {second} friends near home."
        for first, second in zip(
            ("many", "few", "old", "new", "long", "short"), ("kind", "loud", "wise", "shy", "odd", "warm"), strict=True
        )
    )[:have]
    reserve = Reserve(Pool({("gpt2", "positive"): texts}, "a", ""), TASK, seed)
    curator, kept, left = Curator(TASK), [], 0
    for number, count in enumerate(wanted):
        order = Order("gpt2", number, {"positive": count, "negative": 0}, {}, Sampling())
        before = len(kept)
        result, open_order = reserve.fill(order, curator, kept.append)
        assert (result.accepted, result.rejected) == (len(kept) - before, 0)
        left += open_order.quota["positive"]
    taken = [sample.text for sample in kept]
    assert len(set(taken)) == len(taken) == min(have, sum(wanted))
    assert set(taken) <= set(texts)
    assert left == sum(wanted) - len(taken)


def test_the_seed_draws_the_order(tmp_path: Path) -> None:
    words = "amber birch cedar delta ember fjord grove heron inlet jetty knoll ledge".split()
    texts = tuple(f"The {word} of it all, {word} by {word}, made this a film to remember." for word in words)
    pool = Pool({("gpt2", "positive"): texts}, "a", "")

    def first(seed: int) -> list[str]:
        order = Order("gpt2", 0, {"positive": 4}, {}, Sampling())
        kept: list[Any] = []
        Reserve(pool, TASK, seed).fill(order, Curator(TASK), kept.append)
        return [sample.text for sample in kept]

    assert first(1) == first(1)
    assert len({tuple(first(seed)) for seed in range(6)}) > 1


def recipe(path: str, **settings: Any) -> Any:
    few = {"samples": 2, "rounds": 0, "demos": 1, "candidates": 1, "gold": "none", "engine": "scripted"}
    return make_recipe({"method": "zerogen", "task": "imdb", "pool": (path,), **few, **settings})


def test_a_run_on_a_pool_alone_opens_no_engine(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm="old-model") for n in range(8)])
    run = execute(recipe(path, plms=("old-model=pool",), samples=6, engine="auto", curate=False), out=tmp_path / "run")
    assert run.metrics["samples_by_plm"] == {"old-model": 6}
    assert run.metrics["tokens"]["completion"] == 0
    assert run.metrics["loads"] == {}
    assert run.manifest["pool"]["files"] == "a.jsonl"


def test_a_short_pool_is_said_and_its_run_goes_on(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm="old-model") for n in range(4)])
    heard: list[Event] = []
    wanted = recipe(path, plms=("old-model=pool",), samples=10, curate=False, engine="auto")
    run = execute(wanted, out=tmp_path / "run", observe=heard.append)
    assert run.metrics["samples"] == 4
    assert any("not enough texts of old-model" in str(event) for event in heard if isinstance(event, Note))


def test_who_is_only_in_the_pool_cannot_answer_feedback(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", GOOD)
    with pytest.raises(UserError, match="gpt2-xl can be read from the pool but cannot write behind fusegen's feedback"):
        execute(recipe(path, method="fusegen", plms=("gpt2-xl=pool",), rounds=1, samples=4), out=tmp_path / "run")
    with pytest.raises(UserError, match="no text of opt in a pool"):
        execute(recipe(path, plms=("opt=pool",)), out=tmp_path / "run")
    with pytest.raises(UserError, match="of none of the PLMs"):
        execute(recipe(path, plms=("vicuna",)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_resume_wants_the_pool_it_began_with(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm="gpt2") for n in range(8)])
    wanted = recipe(path, plms=("gpt2",), curate=False)
    execute(wanted, out=tmp_path / "run")
    put(tmp_path / "a.jsonl", [row(n, n % 2, plm="gpt2") for n in range(9)])
    with pytest.raises(UserError, match="pool is not the one"):
        execute(wanted, out=tmp_path / "run", resume="always")


def test_the_command_takes_the_plms_from_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm=("gpt2", "gpt2-xl")[n // 2 % 2]) for n in range(16)])
    few = ["--rounds", "0", "--samples", "4", "--demos", "1", "--gold", "none", "--set", "curate=false", "--json"]
    with pytest.raises(SystemExit) as end:
        main(["zerogen", "--task", "imdb", "--pool", path, "--profile", "pocket", *few])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["samples_by_plm"] == {"gpt2": 4, "gpt2-xl": 4}


def test_a_private_file_or_a_copy_of_it_is_no_pool(tmp_path: Path) -> None:
    private = put(tmp_path / "private.jsonl", [row(n, n % 2, plm="gpt2") for n in range(8)])
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(Path(private).read_bytes())
    for pool in (private, str(copy)):
        wanted = recipe(
            pool, method="wasp", private=(private,), plms=("gpt2",), samples=4, rounds=1, demos=2, candidates=2
        )
        with pytest.raises(UserError, match="is one of the private files"):
            execute(wanted, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_is_a_pool(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm="gpt2") for n in range(8)])
    first = execute(recipe(path, plms=("gpt2",), samples=8, curate=False), out=tmp_path / "first")
    second = execute(recipe(str(first.path), plms=("gpt2",), samples=8, curate=False), out=tmp_path / "second")
    assert {one["text"] for one in first.samples()} == {one["text"] for one in second.samples()}


def test_a_plm_that_cannot_name_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Line 1 .* has the plm 'org/model'"):
        read_pool([put(tmp_path / "a.jsonl", [row(1, plm="org/model")])], TASK)


def test_a_plan_counts_what_the_pool_gives(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [row(n, n % 2, plm="gpt2") for n in range(8)])
    planned = plan_recipe(recipe(path, plms=("gpt2", "opt"), samples=6))
    assert planned["samples"] == 12
    assert planned["from the pool"] == "6 samples"
    assert planned["requests"].startswith("6, and again")
    feeding = plan_recipe(recipe(path, method="fusegen", plms=("gpt2",), samples=8, rounds=1))
    assert feeding["from the pool"] == "4 samples"
    assert feeding["requests"].startswith("4, and again")
