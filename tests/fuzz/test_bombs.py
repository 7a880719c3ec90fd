"""Small files that want to become large, deep or endless: refused in a sentence, in bounded time and memory."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_places import imdb
from hostile_target import sentence, time_limit

from synthgen.datasets import read_dataset
from synthgen.errors import UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.lookup import look_up
from synthgen.pool import read_pool
from synthgen.recipe import read_recipe
from synthgen.runs.read import load_run
from synthgen.study import is_study
from synthgen.tasks.bounded import DEEPEST
from synthgen.tasks.gold import load_gold
from synthgen.tasks.registry import load_task

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
YAML = {
    "a billion laughs": LAUGHS,
    "a billion merged keys": MERGED,
    "itself": "options: &a {b: *a}\ntask: imdb\n",
    "a list of itself": "&a [*a]",
    "100,000 open brackets": "[" * 100_000,
    "100,000 open braces": "task: " + "{a: " * 100_000,
    "100,000 dashes": "- " * 100_000,
    "2,000 indented keys": "".join(f"{' ' * depth}a:\n" for depth in range(2_000)),
    "a number of 100,000 digits": f"samples: {'9' * 100_000}",
    "a number of minutes": f"samples: {':'.join(['59'] * 100_000)}",
    "an exponent": "samples: 1e99999999",
    "a number without digits": "samples: 0x_",
    "a day that is none": "about: 2026-99-99",
    "a character that is none": 'about: "\\UFFFFFFFF"',
    "half a character": 'task: imdb\nabout: "\\ud800"',
    "a long file": "#" * 5_000_000,
    "python": "about: !!python/object/apply:os.system ['touch hacked']",
    "python's names": "about: !!python/name:os.system",
    "a tag of one's own": "about: !mine x",
    "bytes": "about: !!binary aGVsbG8=",
    "a control character": "about: a\x07b",
}


@pytest.mark.parametrize("name", YAML)
def test_yaml_bombs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.yaml"
    path.write_text(YAML[name], encoding="utf-8")
    with time_limit(60):
        for read in (read_recipe, lambda file: load_task(str(file))):
            with pytest.raises(UserError) as said:
                read(path)
            assert len(str(said.value)) < 2_000
        assert not is_study(path)
    assert sorted(tmp_path.iterdir()) == [path]


def test_sound_yaml_may_have_aliases_and_depth(tmp_path: Path) -> None:
    deep = "[" * (DEEPEST - 5) + "]" * (DEEPEST - 5)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"task: imdb\nplms: [gpt2]\nsamples: 20\nrounds: 1\noptions: {{a: &a [1, 2], b: *a, c: {deep}}}\n",
        encoding="utf-8",
    )
    assert read_recipe(path).options["b"] == [1, 2]


DEEP = "[" * 100_000 + "]" * 100_000
JSON = {
    "100,000 brackets": '{"text": ' + DEEP + ', "label": 0}',
    "100,000 braces": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a number of 100,000 digits": '{"text": "a film", "label": ' + "9" * 100_000 + "}",
    "an exponent": '{"text": "a film", "label": 1e999999}',
    "not a number": '{"text": "a film", "label": NaN}',
    "infinity as a text": '{"text": Infinity, "label": "positive"}',
    "half a surrogate pair": '{"text": "a film \\ud800", "label": "positive"}',
    "half a surrogate pair in a label": '{"text": "a film", "label": "\\udfff"}',
    "a list": "[" + '{"text": "a", "label": 0},' * 3 + "1]",
    "no line at all": "\0" * 10_000,
}


@pytest.mark.parametrize("name", JSON)
def test_json_bombs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text(JSON[name] + "\n", encoding="utf-8")
    with time_limit(60):
        for read in (
            lambda: load_gold(imdb(), str(path), pocket=True),
            lambda: read_pool([str(path)], imdb()),
            lambda: read_dataset(path, imdb()),
        ):
            with pytest.raises(UserError) as said:
                read()
            assert len(str(said.value)) < 500


def test_of_a_name_that_stands_twice_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "twice.jsonl"
    path.write_text('{"text": "a", "text": "b", "label": 0}\n{"text": "c", "label": 0, "label": 1}\n', encoding="utf-8")
    gold = load_gold(imdb(), str(path), pocket=True)
    assert gold is not None
    assert (gold.texts, gold.labels) == (("b", "c"), ("negative", "positive"))


@pytest.mark.parametrize("content", [DEEP, '{"a":' * 100_000, "9" * 100_000, "NaN", '"\\ud800"', "{}x"])
def test_bombs_in_a_run_folder_and_a_model_folder(content: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("task: imdb\nplms: [gpt2]\nsamples: 20\nrounds: 1\n", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with time_limit(60):
        for name in ("manifest.json", "metrics.json"):
            (tmp_path / name).write_text(content, encoding="utf-8")
            with pytest.raises(UserError, match="damaged"):
                load_run(tmp_path)
            (tmp_path / name).unlink()
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=r"config\.json"):
            look_up(PLM("mine", str(tmp_path), "local"))


PEAK = """
import resource, sys
from pathlib import Path
from synthgen.errors import UserError
from synthgen.tasks.labelled import rows_of
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = "read"
try:
    for _ in rows_of(Path(sys.argv[1]), "pool"):
        pass
except UserError as error:
    said = str(error)
    assert len(said) < 500
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said)
"""


def reading_takes(path: Path) -> tuple[int, str]:
    """Return by how many bytes a process grows that reads a file's rows, and what it says."""
    ran = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True, timeout=300)
    grown, said = ran.stdout.split(" ", 1)
    # Kilobytes on Linux, bytes on macOS.
    return int(grown) * (1 if sys.platform == "darwin" else 1024), said.strip()


def test_a_line_of_100_megabytes_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"word " * 200_000)
        file.write(b'", "label": 0}\n')
    grown, said = reading_takes(path)
    assert "Line 1 of pool file long.jsonl is longer than" in said
    assert grown < 60_000_000


def test_a_gzip_bomb_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(1_000):
            file.write(b"\0" * 1_000_000)
    assert path.stat().st_size < 2_000_000
    grown, said = reading_takes(path)
    assert "Line 1 of pool file bomb.jsonl.gz is longer than" in said
    assert grown < 60_000_000


@pytest.mark.parametrize(("megabytes", "expected"), [(20, "read"), (400, "unpacks to more than 200 times its size")])
def test_a_gzip_bomb_of_many_lines(megabytes: int, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl.gz"
    row = json.dumps({"text": "word " * 200, "label": 0}).encode() + b"\n"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(megabytes):
            file.write(row * 1_000)
    grown, said = reading_takes(path)
    assert expected in said
    assert grown < 60_000_000


def test_a_table_with_a_million_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ",".join(f"c{number}" for number in range(1_000_000))
    path.write_text(f"{names}\n{'1,' * 999_999}1\n", encoding="utf-8")
    with time_limit(120), pytest.raises(UserError) as said:
        load_gold(imdb(), str(path), pocket=True)
    assert len(str(said.value)) < 2_000


NOTES = ["[]", '"x"', "{", DEEP, '{"info": []}', '{"info": {"features": []}}', '{"info": {"features": {"label": 3}}}',
         '{"info": {"features": {"label": {"names": 3, "_type": "ClassLabel"}}}}',
         '{"info": {"features": {"label": {"names": [1, 2], "_type": "ClassLabel"}}}}']  # fmt: skip


@pytest.mark.parametrize("notes", NOTES)
def test_parquet_that_lies_about_its_labels(notes: str, tmp_path: Path) -> None:
    table = pa.table({"text": ["a film", "a book"], "label": [0, 1]}).replace_schema_metadata({"huggingface": notes})
    path = tmp_path / "lies.parquet"
    pq.write_table(table, path)
    for read in (lambda: load_gold(imdb(), str(path), pocket=True), lambda: read_dataset(path, imdb())):
        try:
            assert read() is not None
        except UserError as error:
            sentence(str(error))


def test_parquet_whose_columns_hold_something_else(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    for columns in (
        {"text": [1, 2], "label": ["negative", "positive"]},
        {"text": [b"\xff", b"\xfe"], "label": [0, 1]},
        {"text": [["a"], ["b"]], "label": [0, 1]},
        {"text": ["a", "b"], "label": [[0], [1]]},
        {"text": ["a", "b"], "label": [0.5, float("nan")]},
        {"text": ["a", None], "label": [0, None]},
        {"text": ["a", "b"], "label": [0, 1], "weight": ["x", "y"]},
        {"text": ["a", "b"], "label": [0, 1], "weight": [float("inf"), 1.0]},
        {"text": ["a", "b"], "label": [0, 1], "plm": [1, 2]},
    ):
        pq.write_table(pa.table(columns), path)
        with pytest.raises(UserError):
            read_dataset(path, imdb())
