"""A run read in blocks is the run read whole."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.recipe import make_recipe
from synthgen.runs import batches
from synthgen.runs.batches import SCHEMA
from synthgen.runs.files import write_jsonl
from synthgen.runs.read import Run
from synthgen.runs.sample_table import SampleTable

RECIPE = make_recipe({"method": "fusegen", "task": "imdb", "plms": ("opt",)})
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SAMPLES = st.lists(
    st.fixed_dictionaries(
        {"text": TEXTS, "label": st.sampled_from(["a", "b"]), "plm": TEXTS, "request": TEXTS, "kept": st.booleans()},
        optional={"text_pair": TEXTS, "attribute": TEXTS, "parent": TEXTS},
    ),
    max_size=12,
)


def a_run(folder: Path, drawn: list[dict[str, Any]], *, complete: bool) -> Run:
    rows = [
        {
            "id": f"{n:04x}",
            "round": n % 3,
            "weight": 1.0,
            **{name: value for name, value in row.items() if name != "kept"},
        }
        for n, row in enumerate(drawn)
    ]
    for number in range(3):
        round_folder = folder / "rounds" / f"{number:02d}"
        write_jsonl(round_folder / "samples.jsonl", [row for row in rows if row["round"] == number])
        (round_folder / "dynamics.parquet").touch()
    (folder / "dataset").mkdir(exist_ok=True)
    kept = [(row["id"], 0.5 + n) for n, (row, one) in enumerate(zip(rows, drawn, strict=True)) if one["kept"]]
    ids, weights = zip(*kept, strict=True) if kept else ((), ())
    table = pa.table({"weight": pa.array(weights, pa.float64()), "id": pa.array(ids, pa.string())})
    pq.write_table(table, folder / "dataset" / "train.parquet")
    return Run(folder, RECIPE, {}, {"samples": len(kept)} if complete else {})


@given(SAMPLES, st.booleans(), st.integers(1, 200), st.data())
def test_in_blocks_as_in_one(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[dict[str, Any]],
    complete: bool,
    size: int,
    data: st.DataObject,
) -> None:
    run = a_run(tmp_path_factory.mktemp("run"), drawn, complete=complete)
    rows = run.samples()
    if complete:
        weights = {f"{n:04x}": 0.5 + n for n, row in enumerate(drawn) if row["kept"]}
        assert [row["weight"] for row in rows] == [weights.get(row["id"], 0.0) for row in rows]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batches, "_BLOCK", size)
        read = [row for table in run.batches() for row in table.to_pylist()]
        some = list(run.batches(["weight", "text"]))
        table = run.table()
    assert [{name: value for name, value in row.items() if value is not None} for row in read] == rows
    assert [row for part in some for row in part.to_pylist()] == [
        {"weight": row["weight"], "text": row["text"]} for row in rows
    ]
    assert all(part.column_names == ["weight", "text"] for part in some)
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    assert table.rows(places) == [rows[place] for place in places]
    same = SampleTable.of(rows)
    for name in ("plm", "label", "attribute"):
        for one, held in ((table, rows), (same, rows)):
            names = [*one.names[name], None]
            assert [names[code] for code in one.codes[name]] == [row.get(name) for row in held]
    assert table.weight.tolist() == same.weight.tolist()
    assert table.round.tolist() == same.round.tolist()
    groups = [(plm, label, held.tolist()) for plm, label, held in table.grouped()]
    assert sorted(place for _, _, held in groups for place in held) == list(range(len(rows)))
    assert [held[0] for _, _, held in groups] == sorted(held[0] for _, _, held in groups)
    assert all((rows[at]["plm"], rows[at]["label"]) == (plm, label) for plm, label, held in groups for at in held)
    assert table.places_of([row["id"] for row in rows] + ["gone"]).tolist() == [*range(len(rows)), -1]


def test_a_line_longer_than_a_block_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BLOCK", 1000)
    row = {"text": "long " * 10_000, "label": "a", "plm": "opt", "request": "r", "kept": True}
    run = a_run(tmp_path, [row] * 4, complete=True)
    assert [text for table in run.batches(["text"]) for text in table["text"].to_pylist()] == [row["text"]] * 4


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'"x"', b"\xff", b'{"id": 1}', b'{"id": "a", "text": null}', json.dumps({"id": "a"}).encode()]
)
def test_a_damaged_line_is_said_to_be_one(tmp_path: Path, line: bytes) -> None:
    row = {"text": "A text.", "label": "a", "plm": "opt", "request": "r", "kept": True}
    run = a_run(tmp_path, [row] * 3, complete=True)
    path = run.path / "rounds" / "01" / "samples.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    for read in (lambda: list(run.batches()), run.table):
        with pytest.raises(UserError, match=r"samples\.jsonl is damaged"):
            read()


def test_a_damaged_dataset_is_said_to_be_one(tmp_path: Path) -> None:
    run = a_run(tmp_path, [{"text": "A", "label": "a", "plm": "o", "request": "r", "kept": True}], complete=True)
    (run.path / "dataset" / "train.parquet").write_bytes(b"PAR1 no more")
    for read in (run.samples, run.table, lambda: list(run.batches(SCHEMA.names))):
        with pytest.raises(UserError, match=r"train\.parquet is damaged"):
            read()
    with pytest.raises(UserError, match=r"dynamics\.parquet is damaged"):
        run.dynamics()
