import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold, read_labelled
from synthgen.tasks.registry import load_task

LABELS = ("negative", "positive")
GOOD = [{"text": "a dull hour", "label": "negative"}, {"text": "a bright hour", "label": "positive"}]
SECRET = "the secret words of a private person"


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_reads_names_ids_and_digits_in_the_order_of_the_labels(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": label} for i, label in enumerate(["positive", 0, "1", "negative", "0"])]
    gold = read_labelled(write(tmp_path / "gold.jsonl", rows), LABELS)
    assert gold == Gold(
        texts=tuple(f"text {i}" for i in range(5)),
        labels=("positive", "negative", "positive", "negative", "negative"),
        source="file:gold.jsonl",
    )
    assert len(gold) == 5


def test_a_label_named_like_a_digit_wins_over_the_id_in_every_kind_of_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "stars.jsonl", [{"text": "a", "label": "1"}, {"text": "b", "label": 1}, {"text": "c", "label": 2}]
    )
    assert read_labelled(path, ("1", "2", "3")).labels == ("1", "1", "2")


def test_without_labels_the_names_are_those_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "own.jsonl", [{"text": "a", "label": "spam"}, {"text": "b", "label": 7}])
    assert read_labelled(path, None, what="private").labels == ("spam", "7")


def test_gzip_bom_blank_lines_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    lines = b"\xef\xbb\xbf\r\n" + b"\r\n\r\n   \r\n".join(json.dumps(row).encode() for row in GOOD)
    path = tmp_path / "gold.jsonl.gz"
    path.write_bytes(gzip.compress(lines))
    assert read_labelled(path, LABELS).texts == ("a dull hour", "a bright hour")


def test_pairs(tmp_path: Path) -> None:
    rows = [{**row, "text_pair": f"pair {i}"} for i, row in enumerate(GOOD)]
    assert read_labelled(write(tmp_path / "a.jsonl", rows), LABELS).text_pairs == ("pair 0", "pair 1")
    assert (
        read_labelled(write(tmp_path / "b.jsonl", [{**r, "text_pair": None} for r in GOOD]), LABELS).text_pairs is None
    )
    with pytest.raises(UserError, match=r"Line 2 .* text_pair"):
        read_labelled(write(tmp_path / "c.jsonl", [rows[0], GOOD[1]]), LABELS)


@given(
    st.lists(st.tuples(st.text(min_size=1).filter(str.strip), st.sampled_from(LABELS)), min_size=2, max_size=20).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("gold") / "any.jsonl"
    text = "\n".join(json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows)
    path.write_bytes(text.encode())
    gold = read_labelled(path, LABELS)
    assert list(zip(gold.texts, gold.labels, strict=True)) == rows


FAULTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"\n \n", "gold.jsonl is empty"),
    "broken JSON": (b'{"text": "' + SECRET.encode() + b'", "label"', "Line 3 .*not valid JSON"),
    "deep JSON": (b"[" * 200_000, "Line 3 .*not valid JSON"),
    "array": (b'["' + SECRET.encode() + b'"]', "Line 3 .*not a JSON object"),
    "null": (b"null", "Line 3 .*not a JSON object"),
    "no text": (b'{"label": "positive"}', "Line 3 .*has no text"),
    "null text": (b'{"text": null, "label": "positive"}', "Line 3 .*has no text"),
    "blank text": (b'{"text": " \\n", "label": "positive"}', "Line 3 .*blank text"),
    "number text": (b'{"text": 3, "label": "positive"}', "Line 3 .*not a string"),
    "surrogate": (b'{"text": "\\ud800", "label": "positive"}', "Line 3 .*surrogate"),
    "no label": (b'{"text": "' + SECRET.encode() + b'"}', "Line 3 .*has no label"),
    "near label": (b'{"text": "x", "label": "Positive"}', 'Line 3 .*"Positive".*did you mean positive'),
    "long label": (b'{"text": "x", "label": "' + b"z" * 99 + b'"}', 'Line 3 .*"z{39}…", which'),
    "high id": (b'{"text": "x", "label": 2}', "Line 3 .*label id 2; the task's ids are 0 to 1"),
    "negative id": (b'{"text": "x", "label": -1}', "Line 3 .*label id -1"),
    "digit no id": (b'{"text": "x", "label": "2"}', 'Line 3 .*"2", which'),
    "float label": (b'{"text": "x", "label": 1.0}', "Line 3 .*neither a name nor an id"),
    "bool label": (b'{"text": "x", "label": true}', "Line 3 .*neither a name nor an id"),
    "latin-1": ('{"text": "café", "label": "positive"}'.encode("latin-1"), "Line 3 .*not UTF-8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line_and_no_text_is_quoted(tmp_path: Path, fault: str) -> None:
    line, message = FAULTS[fault]
    before = b"" if fault == "empty" else b"\n".join([*(json.dumps(row).encode() for row in GOOD), b""])
    path = tmp_path / "gold.jsonl"
    path.write_bytes(before + line)
    with pytest.raises(UserError, match=message) as caught:
        read_labelled(path, LABELS)
    assert SECRET not in str(caught.value)
    assert "gold.jsonl" in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_one_label_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"seeds\.jsonl has texts of one label only \(negative\)"):
        read_labelled(write(tmp_path / "seeds.jsonl", [GOOD[0], GOOD[0]]), None, what="private")


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_truncated_gzip_is_an_error_and_not_a_shorter_file(tmp_path: Path, cut: float) -> None:
    whole = gzip.compress(b"\n".join(json.dumps({**GOOD[i % 2], "n": i}).encode() for i in range(500)))
    path = tmp_path / "gold.jsonl.gz"
    path.write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(UserError, match="gzip"):
        read_labelled(path, LABELS)


def test_files_that_are_none(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.jsonl.gz", GOOD)
    faults = {plain: "gzip", tmp_path: "is a folder", tmp_path / "no.jsonl": "no gold file", Path("x" * 5000): "read"}
    for path, message in faults.items():
        with pytest.raises(UserError, match=message):
            read_labelled(path, LABELS)


def test_load_gold_takes_a_file_or_none(tmp_path: Path) -> None:
    task = load_task("imdb")
    path = write(tmp_path / "gold.jsonl", GOOD)
    assert load_gold(task, "none", pocket=True) is None
    assert load_gold(task, str(path), pocket=True) == read_labelled(path, task.labels)


def test_recorded_data_is_read_with_the_ids_of_the_hub(shared_data: Path) -> None:
    gold = read_labelled(shared_data / "imdb.test.jsonl.gz", load_task("imdb").labels)
    assert (len(gold), gold.labels.count("positive")) == (25_000, 12_500)
    # The better-known words of praise and blame fall on the right sides.
    by_label = {
        name: [text for text, label in zip(gold.texts, gold.labels, strict=True) if label == name] for name in LABELS
    }
    worst = {name: sum("worst" in text for text in texts) for name, texts in by_label.items()}
    assert worst["negative"] > 3 * worst["positive"]
