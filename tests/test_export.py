"""A run's dataset in other formats: read back, it is the same."""

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Value, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.errors import UserError
from synthgen.export import SUFFIXES, Format, default_path, export_run
from synthgen.recipe import make_recipe
from synthgen.runs.read import Run

FORMATS: tuple[Format, ...] = get_args(Format)
# What Parquet, JSON and CSV can hold: no surrogates; no NUL, at which pandas' reader of CSV ends a field.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40) | (
    st.sampled_from(["=1+1", "+x", "-2", "@a", '"', '""', ",", "a\r\nb", "\r", "\n", "NA", "nan", "null", "007", "1e5"])
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": TEXTS,
            "text_pair": TEXTS,
            "label": st.sampled_from(["no", "yes"]),
            "weight": st.floats(1e-3, 1e3),
            "plm": st.sampled_from(["gpt2", "opt"]),
            "round": st.integers(0, 4),
            "id": st.integers(0, 10**6).map(lambda number: f"s{number}"),
        }
    ),
    min_size=1,
    max_size=8,
)


def run_of(folder: Path, rows: list[dict[str, Any]], *, pairs: bool = True, **changed: Any) -> Run:
    """Write a dataset as a run does and return the run."""
    kinds = {
        "text": Value("string"),
        "label": ClassLabel(names=["no", "yes"]),
        "weight": Value("float64"),
        "plm": Value("string"),
        "round": Value("int32"),
        "id": Value("string"),
        **({"text_pair": Value("string")} if pairs else {}),
    }
    columns = {name: [row[name] for row in rows] for name in kinds}
    columns["label"] = [["no", "yes"].index(label) for label in columns["label"]]
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    table = pa.table(columns, schema=Features(kinds).arrow_schema)
    pq.write_table(table, folder / "dataset" / "train.parquet", compression="zstd")
    recipe = make_recipe({"labels": ("no", "yes"), "about": "answers", "plms": ("gpt2",)})
    return Run(folder, recipe, {"status": "complete", **changed}, {})


def row(number: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "text": f"One text {number}.",
        "text_pair": f"Another {number}.",
        "label": ("no", "yes")[number % 2],
        "weight": 1.0 + number % 3,
        "plm": "gpt2",
        "round": 0,
        "id": f"s{number}",
        **changed,
    }


def written(run: Run, format: Format, **settings: Any) -> str:
    out = io.BytesIO()
    export_run(run, format, out, **settings)
    return out.getvalue().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_jsonl_and_csv_hold_every_column_of_every_row(folder: Path, rows: list[dict[str, Any]]) -> None:
    run = run_of(folder, rows)
    lines = [json.loads(line) for line in written(run, "jsonl").split("\n")[:-1]]
    assert lines == rows
    text = written(run, "csv")
    assert [{**one, "weight": float(one["weight"]), "round": int(one["round"])} for one in parsed(text)] == rows
    read = pd.read_csv(io.StringIO(text, newline=""), dtype={"text": str, "text_pair": str}, keep_default_na=False)
    assert read.to_dict("records") == rows


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_fine_tuning_formats_ask_for_the_label_and_answer_it(folder: Path, rows: list[dict[str, Any]]) -> None:
    run = run_of(folder, rows)
    shown = [f"Text 1: {one['text']}\n\nText 2: {one['text_pair']}" for one in rows]
    examples = json.loads(written(run, "alpaca", instruction="Which?"))
    assert examples == [
        {"instruction": "Which?", "input": text, "output": one["label"]} for text, one in zip(shown, rows, strict=True)
    ]
    talks = [
        json.loads(line)["conversations"] for line in written(run, "sharegpt", instruction="Which?").split("\n")[:-1]
    ]
    assert talks == [
        [{"from": "human", "value": f"Which?\n\n{text}"}, {"from": "gpt", "value": one["label"]}]
        for text, one in zip(shown, rows, strict=True)
    ]


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_no_cell_for_a_spreadsheet_is_a_formula(folder: Path, rows: list[dict[str, Any]]) -> None:
    text = written(run_of(folder, rows), "csv", spreadsheet=True)
    assert text.startswith("\ufeff")
    cells = parsed(text.removeprefix("\ufeff"))
    for one, cell in zip(rows, cells, strict=True):
        assert not any(value.startswith(tuple("=+-@\t\r\n＝＋－＠")) for value in cell.values())
        assert one["text"] in {cell["text"], cell["text"].removeprefix("'")}


@pytest.mark.parametrize("format", FORMATS)
def test_datasets_reads_what_was_written(tmp_path: Path, format: Format) -> None:
    rows = [row(number, text=f'Line one\r\nline "two", {number} — ok') for number in range(2_500)]
    run = run_of(tmp_path / "run", rows)
    out = default_path(run, format)
    done = export_run(run, format, out)
    assert (done.rows, done.left_out, done.formulas) == (2_500, 0, 0)
    assert out.parent == tmp_path / "run" / "exports"
    kind = "csv" if format == "csv" else "json"
    read = load_dataset(kind, data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    if format in {"jsonl", "csv"}:
        assert read.to_list() == rows
        assert read.column_names[:3] == ["text", "text_pair", "label"]
    elif format == "alpaca":
        assert list(read["output"]) == [one["label"] for one in rows]
    else:
        assert [talk[1]["value"] for talk in read["conversations"]] == [one["label"] for one in rows]


def test_the_instruction_names_the_task_and_its_labels(tmp_path: Path) -> None:
    single = run_of(tmp_path, [row()], pairs=False)
    (example,) = json.loads(written(single, "alpaca"))
    assert example == {
        "instruction": "Classify the following text (answers). Answer with exactly one of these labels: no, yes.",
        "input": "One text 0.",
        "output": "no",
    }
    (pair,) = json.loads(written(run_of(tmp_path, [row()]), "alpaca"))
    assert "the following pair of texts (answers)" in pair["instruction"]


def test_a_task_file_that_is_gone_needs_an_instruction(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row()])
    run = Run(run.path, make_recipe({"task": "gone.yaml", "plms": ("gpt2",)}), run.manifest, {})
    assert json.loads(written(run, "jsonl"))["label"] == "no"
    with pytest.raises(UserError, match=r"no task file gone\.yaml.*--instruction"):
        written(run, "sharegpt")
    assert "Which?" in written(run, "sharegpt", instruction="Which?")


def test_only_samples_of_the_least_weight_are_written(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(number) for number in range(9)])
    out = io.BytesIO()
    done = export_run(run, "jsonl", out, min_weight=2.0)
    assert (done.rows, done.left_out) == (6, 3)
    assert {json.loads(line)["weight"] for line in out.getvalue().splitlines()} == {2.0, 3.0}
    with pytest.raises(UserError, match="No sample has a weight of 4 or more; the greatest weight is 3"):
        written(run, "jsonl", min_weight=4.0)


def test_formulas_are_counted(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row(0, text="=HYPERLINK(1)"), row(1), row(2, text_pair="@SUM(A1)")])
    assert export_run(run, "csv", io.BytesIO()).formulas == 2


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_an_unfinished_run_is_refused(tmp_path: Path, status: str) -> None:
    with pytest.raises(UserError, match=f"not finished .*{status}.*--resume"):
        written(run_of(tmp_path, [row()], status=status), "jsonl")


@pytest.mark.parametrize(
    ("format", "settings", "said"),
    [
        ("xml", {}, "no format 'xml'; choose jsonl, csv, alpaca, sharegpt"),
        ("jsonl", {"spreadsheet": True}, "Only CSV"),
        ("csv", {"instruction": "x"}, "--format csv has no instruction"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, format: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        written(run_of(tmp_path, [row()]), format, **settings)


def test_a_damaged_or_missing_dataset_is_told(tmp_path: Path) -> None:
    run = run_of(tmp_path, [row()])
    (tmp_path / "dataset" / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match="is damaged"):
        written(run, "csv")
    (tmp_path / "dataset" / "train.parquet").unlink()
    with pytest.raises(UserError, match=r"no dataset/train\.parquet"):
        written(run, "csv")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path / "run", [row(number) for number in range(3_000)])
    out = tmp_path / f"out{SUFFIXES[format]}"
    out.write_text("before")
    read = pq.ParquetFile.iter_batches

    def cut(*given: Any, **settings: Any) -> Any:
        yield next(read(*given, **settings))
        raise OSError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(pq.ParquetFile, "iter_batches", cut)
        with pytest.raises(OSError, match="gone"):
            export_run(run, format, out)
    assert out.read_text() == "before"
    assert export_run(run, format, out).rows == 3_000
    assert [path.name for path in sorted(tmp_path.iterdir())] == [out.name, "run"]


@pytest.mark.parametrize(("out", "said"), [("x.txt", r"does not end in \.csv"), ("d.csv", "is a folder")])
def test_a_wrong_place_is_refused(tmp_path: Path, out: str, said: str) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(UserError, match=said):
        export_run(run_of(tmp_path / "run", [row()]), "csv", tmp_path / out)


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_dataset(tmp_path: Path, format: Format) -> None:
    peaks = []
    for size in (2_000, 20_000):
        run = run_of(tmp_path / str(size), [row(number) for number in range(size)])
        export_run(run, format, tmp_path / f"warm{SUFFIXES[format]}")
        tracemalloc.start()
        export_run(run, format, tmp_path / f"out{SUFFIXES[format]}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_a_real_run_is_exported_from_its_folder_alone(tmp_path: Path) -> None:
    made = synthgen.fusegen(
        "imdb", ["llama2", "opt"], engine="scripted", samples=20, rounds=1, demos=2, candidates=6, out=tmp_path / "run"
    )
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    run = synthgen.load_run(moved)
    lines = [json.loads(line) for line in written(run, "jsonl").splitlines()]
    assert len(lines) == made.metrics["samples"]
    assert {line["label"] for line in lines} == {"negative", "positive"}
    assert json.loads(written(run, "alpaca"))[0]["instruction"].startswith(
        "Classify the following text (movie reviews)"
    )
