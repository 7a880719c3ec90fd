"""Gold from CSV, TSV and Parquet files, and from files whose columns are called as the task's own gold has them."""

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold, read_labelled
from synthgen.tasks.gold_files import open_rows
from synthgen.tasks.registry import load_task
from synthgen.tasks.reservoir import sampled
from synthgen.tasks.task import Task

LABELS = ("negative", "positive")
CELLS = st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), min_size=2, max_size=2)


def task(**gold: Any) -> Task:
    return Task.model_validate({**load_task("imdb").model_dump(), "gold": gold or None})


def of_file(path: Path, **gold: Any) -> Gold:
    found = load_gold(task(**gold), str(path), pocket=False)
    assert found is not None
    return found


def text_file(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@given(st.lists(CELLS, min_size=1, max_size=8), st.sampled_from(["csv", "tsv"]), st.sampled_from(["\n", "\r\n"]))
def test_any_cell_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], kind: str, end: str
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter={"csv": ",", "tsv": "\t"}[kind], lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "label"], *rows])
    path = tmp_path_factory.mktemp("cells") / f"data.{kind}"
    path.write_bytes(b"\xef\xbb\xbf" + written.getvalue().encode())
    file = open_rows(path, "gold")
    assert file.columns == ("text", "label")
    assert [[*row.values()] for _, row in file.rows] == rows


@pytest.mark.parametrize("name", ["gold.csv", "gold.CSV", "gold.tsv", "gold.csv.gz", "gold.tsv.gz"])
def test_delimited_files_whose_cells_look_like_numbers_or_nothing(tmp_path: Path, name: str) -> None:
    text = '"text","label","more"\r\n"NA","1",""\r\n"null","negative","x"\r\n\r\n"1.50","0","a\nb"\r\n'
    path = text_file(tmp_path / name, text.replace('","', '"\t"') if ".tsv" in name else text)
    found = of_file(path)
    assert (found.texts, found.labels) == (("NA", "null", "1.50"), ("positive", "negative", "negative"))
    assert found.source == f"file:{name}"
    assert found == read_labelled(path, LABELS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("text,label\na,positive\n,negative\n", "Line 3 of gold file gold.csv has a blank text"),
        ('text,label\n"a\nb",positive\nc,\n', "Line 4 of gold file gold.csv has no label"),
        ("text,label\na,positive\nsecret, words,negative\n", "Line 3 of gold file gold.csv has 3 cells and not 2"),
        (
            'text,label\na,positive\n"secret words,negative\n',
            "Line 3 of gold file gold.csv begins a record that is not",
        ),
        (
            'text,label\na,positive\n"secret" words,negative\n',
            "Line 3 of gold file gold.csv begins a record that is not",
        ),
        ("text,label\na,positiv\n", 'has the label "positiv", which the task does not have; did you mean positive?'),
        ("", "The gold file gold.csv is empty; it needs a first line that names its columns"),
        ("text,label\n", "The gold file gold.csv has no text with a label of task imdb"),
        ("text,text,label\na,b,positive\n", "has two columns of one name"),
        ("review,verdict\na,positive\n", "has no column text and label; it has review, verdict; call its columns"),
        ("text;label\na;positive\n", "has no column text and label; it has text;label; call"),
        ("text,label\na,positive\nb,positive\n", "has texts of one label only"),
        ("text,label,text_pair\na,positive,b\n", "has a text_pair, and the samples of task imdb are single texts"),
    ],
)
def test_what_is_wrong_with_a_csv(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        of_file(text_file(tmp_path / "gold.csv", text))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_latin_1_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_bytes(b"text,label\na,positive\ncaf\xe9,negative\n")
    with pytest.raises(UserError, match=r"Line 3 of gold file gold\.csv is not UTF-8"):
        of_file(tmp_path / "gold.csv")


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet", "mine.tsv"])
def test_a_private_files_columns_are_not_named(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pq.write_table(pa.table({"a private text": ["positive"]}), tmp_path / name)
    else:
        text_file(tmp_path / name, "a private text,positive\nanother,negative\n")
    with pytest.raises(UserError, match=r"The private file .* has no column text and label; call") as caught:
        read_labelled(tmp_path / name, LABELS, what="private", secret=True)
    assert "a private" not in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "ids"),
    [(["negative", "positive"], [1, 0]), (["positive", "negative"], [0, 1]), (["neg", "pos"], [1, 0]), (None, [1, 0])],
)
def test_parquet_and_the_names_of_its_class_label(tmp_path: Path, classes: list[str] | None, ids: list[int]) -> None:
    import datasets

    made = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ids})
    if classes:
        made = made.cast_column("label", datasets.ClassLabel(names=classes))
    made.to_parquet(tmp_path / "gold.parquet")
    assert of_file(tmp_path / "gold.parquet").labels == ("positive", "negative")
    if classes:
        assert read_labelled(tmp_path / "gold.parquet", None).labels == tuple(classes[i] for i in ids)


def test_what_is_wrong_with_parquet(tmp_path: Path) -> None:
    path = tmp_path / "gold.parquet"
    with pytest.raises(UserError, match=r"There is no gold file .*gold\.parquet"):
        of_file(path)
    path.write_bytes(b"PAR1 not")
    with pytest.raises(UserError, match=r"gold\.parquet is not readable Parquet"):
        of_file(path)
    pq.write_table(pa.table({"text": ["a", None], "label": ["positive", "negative"]}), path)
    with pytest.raises(UserError, match=r"Row 2 of gold file gold\.parquet has no text"):
        of_file(path)
    pq.write_table(pa.table({"text": [1, 2], "label": ["positive", "negative"]}), path)
    with pytest.raises(UserError, match=r"Row 1 of gold file gold\.parquet has a text that is not a string"):
        of_file(path)
    pq.write_table(pa.table({"text": ["a" * 99_000, "b" * 99_000], "label": ["positive", "negative"]}), path)
    path.write_bytes(path.read_bytes()[:4] + bytes(300) + path.read_bytes()[304:])
    with pytest.raises(UserError, match=r"gold\.parquet is not readable Parquet"):
        of_file(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_may_be_called_as_the_tasks_own_gold(tmp_path: Path, kind: str) -> None:
    rows = [{"head": "A", "body": "a b", "verdict": "pos"}, {"head": "B", "body": "c", "verdict": "negative"}]
    lines = {"csv": ["head,body,verdict", *(",".join(row.values()) for row in rows)], "jsonl": map(json.dumps, rows)}
    path = text_file(tmp_path / f"gold.{kind}", "\n".join(lines[kind]))
    own = {"text": ["head", "body"], "label": "verdict", "names": {"pos": "positive"}}
    found = of_file(path, hub="owner/name", **own)
    assert (found.texts, found.labels) == (("A a b", "B c"), ("positive", "negative"))
    # The same as the task's own file.
    assert load_gold(task(path=str(path), **own), None, pocket=False) == found


def test_of_numbers_a_users_file_means_the_tasks_ids(tmp_path: Path) -> None:
    path = text_file(tmp_path / "gold.csv", "text,label\na,1\nb,0\n")
    names = {"0": "positive", "1": "negative"}
    assert of_file(path, hub="owner/name", names=names).labels == ("positive", "negative")
    own = load_gold(task(path=str(path), names=names), None, pocket=False)
    assert own is not None
    assert own.labels == ("negative", "positive")


def test_a_tasks_own_file_has_the_columns_the_task_says(tmp_path: Path) -> None:
    path = text_file(tmp_path / "gold.csv", "text,label\na,positive\n")
    with pytest.raises(UserError, match="has no column review; it has text, label"):
        load_gold(task(path=str(path), text="review"), None, pocket=True)
    with pytest.raises(UserError, match="There is no gold file"):
        load_gold(task(path=str(tmp_path / "none.csv")), None, pocket=True)


@given(st.integers(0, 60), st.integers(1, 30))
def test_a_sample_is_of_the_rows_and_of_its_size(count: int, limit: int) -> None:
    kept, more = sampled(range(count), limit)
    assert len(kept) == len(set(kept)) == min(count, limit)
    assert set(kept) <= set(range(count))
    assert more is (count > limit)
    assert count > limit or kept == [*range(count)]
    assert sampled(range(count), limit) == (kept, more)
    assert sampled(range(count), None) == ([*range(count)], False)


def test_all_rows_are_alike_likely() -> None:
    kept, _ = sampled(range(100_000), 10_000)
    # The mean of such a sample deviates by 274; a shuffle of a first part only, or of none, is far off.
    assert abs(sum(kept) / 10_000 - 50_000) < 1_400


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_limit_holds_no_more_than_its_rows(tmp_path: Path, kind: str) -> None:
    rows = ({"text": f"{n} {'x' * 1_000}", "label": LABELS[n % 2]} for n in range(12_000))
    lines = (",".join(row.values()) if kind == "csv" else json.dumps(row) for row in rows)
    path = text_file(tmp_path / f"gold.{kind}.gz", "text,label\n" * (kind == "csv") + "\n".join(lines))
    load_gold(task(path=str(path), limit=10), None, pocket=False)
    tracemalloc.start()
    try:
        found = load_gold(task(path=str(path), limit=100), None, pocket=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert len(found) == 100
    assert peak < 2_000_000
