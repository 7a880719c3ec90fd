"""Any labelled dataset, not only a run's: read it, train an STM on it, score it, map it."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.errors import UserError
from synthgen.tasks.task import Task
from synthgen.text import Pair, whole

if TYPE_CHECKING:
    import pyarrow as pa

    from synthgen.quality.frechet import Reference


def evaluate_dataset(
    path: Path,
    task_name: str,
    *,
    gold: str | None = None,
    stm: str = "tfidf",
    stm_options: Mapping[str, Any] | None = None,
    reference: Path | None = None,
    embedder: str = "words",
    seed: int = 0,
) -> dict[str, Any]:
    """Train ``stm`` on the dataset (with its weights, where it has some), score it on gold, and look at its quality.

    Returns ``accuracy`` and ``macro_f1`` (0 to 1), ``stm``, ``samples``, ``gold``, and ``quality`` as ``measure`` does,
    with the Fréchet distance to ``reference`` where there is one. Raises ``UserError`` for what cannot be read.
    """
    from synthgen.downstream.registry import make_stm
    from synthgen.embedders.registry import make_embedder
    from synthgen.evaluate import scores
    from synthgen.quality.measure import measure
    from synthgen.tasks.gold import load_gold
    from synthgen.tasks.registry import load_task

    task = load_task(task_name)
    rows = read_dataset(path, task)
    texts = whole_texts(rows)
    model = make_stm(stm, seed=seed, options=stm_options or {})
    other = _reference(reference, task) if reference else None
    nearness = make_embedder(embedder) if other else None
    held = load_gold(task, gold, pocket=True)
    if held is None:
        raise UserError("There is nothing to evaluate on: give --gold FILE.")
    features = model.start(texts)
    labels = np.array([task.label_id(label) for label in rows["label"]])
    fit = model.fit(features, labels, np.array(rows["weight"]), n_labels=len(task.labels))
    (scored,) = scores([fit], stm=model, task=task, gold=held)
    del features, fit
    quality = measure(
        texts, rows["label"], label_names=task.labels, plms=rows["plm"], stm=model, embedder=nearness,
        reference=other, seed=seed,
    )  # fmt: skip
    return {
        **scored,
        "stm": stm,
        "samples": len(texts),
        "gold": {"source": held.source, "size": len(held.texts)},
        "quality": quality,
    }


def dataset_dynamics(path: Path, task_name: str | None, *, stm: str = "tfidf", seed: int = 0) -> "pa.Table":
    """Return the dynamics table of a dataset that is not a run, one STM per PLM (or one, where none is named)."""
    import pyarrow as pa

    from synthgen.downstream.dynamics import training_dynamics
    from synthgen.downstream.registry import make_stm
    from synthgen.tasks.registry import load_task

    task = load_task(task_name) if task_name else None
    rows = read_dataset(path, task)
    names = list(task.labels) if task else sorted(set(rows["label"]))
    model = make_stm(stm, seed=seed)
    features = model.start(whole_texts(rows))
    labels = np.array([names.index(label) for label in rows["label"]])
    wrote = np.array(rows["plm"])
    columns: dict[str, Any] = {name: np.empty(len(labels)) for name in ("confidence", "variability", "correctness")}
    for plm in sorted(set(rows["plm"])):
        own = np.flatnonzero(wrote == plm)
        fit = model.fit(features[own], labels[own], n_labels=len(names))
        seen = training_dynamics(fit.epoch_probabilities, labels[own])
        for name in columns:
            columns[name][own] = getattr(seen, name)
    return pa.table({"id": rows["id"], "plm": rows["plm"], "label": rows["label"], **columns})


def read_dataset(path: Path, task: Task | None) -> dict[str, list[Any]]:
    """Return the columns text, label (names), weight, plm and id, and text_pair where there is one.

    ``path`` is a run, a folder with Parquet, or a Parquet or JSONL file. Label ids follow the file's ClassLabel, else
    the task. A column that is not there is filled: weights of 1, one PLM called "dataset", row numbers as ids. Raises
    ``UserError`` for what is not a labelled dataset, and where it has pairs and the task single texts, or the reverse.
    """
    file = _file(path)
    columns = _from_parquet(file, task) if file.suffix == ".parquet" else _from_jsonl(file, task)
    count = len(columns["text"])
    if len(set(columns["label"])) < 2:
        raise UserError(f"{path} has fewer than two labels; there is nothing to learn from it.")
    if task and (unknown := sorted(set(columns["label"]) - set(task.labels))):
        raise UserError(f"{path} has labels that task {task.name} does not have: {', '.join(unknown[:5])}.")
    if task and ("text_pair" in columns) is (task.first is None):
        has, are = ("no text_pair", "pairs") if task.first else ("a text_pair", "single texts")
        raise UserError(f"{path} has {has}, and the samples of task {task.name} are {are}; take another.")
    if not any(columns.get("weight", [1.0])):
        raise UserError(f"{path} gives every text the weight 0; there is nothing to learn from it.")
    defaults: dict[str, list[Any]] = {
        "weight": [1.0] * count,
        "plm": ["dataset"] * count,
        "id": [str(row) for row in range(count)],
    }
    return {**defaults, **columns}


def whole_texts(columns: Mapping[str, list[Any]]) -> list[str]:
    """Return the texts of ``read_dataset``, or the pairs where there are two."""
    return [*map(whole, columns["text"], columns.get("text_pair", [None] * len(columns["text"])))]


def _reference(path: Path, task: Task) -> "Reference":
    from synthgen.quality.frechet import read_reference
    from synthgen.tasks.labelled import rows_of, text_of

    found = read_reference(path, task.labels)
    if task.first is None:
        return found
    place = f"reference file {path.name}"
    seconds = [text_of(row, "text_pair", f"Line {number} of {place}") for number, row in rows_of(path, "reference")]
    return replace(found, texts=tuple(map(Pair, found.texts, seconds)))


_MORE = ("text_pair", "weight", "plm", "id")
_BATCH = 10_000


def _from_jsonl(file: Path, task: Task | None) -> dict[str, list[Any]]:
    from synthgen.tasks.labelled import rows_of

    place = f"dataset file {file.name}"
    rows = ((f"Line {number} of {place}", row) for number, row in rows_of(file, "dataset"))
    return _checked(rows, task.labels if task else None)


def _checked(rows: Iterable[tuple[str, dict[str, Any]]], labels: Sequence[str] | None) -> dict[str, list[Any]]:
    """Return the columns of ``(where, row)`` pairs. Raises ``UserError``, with where, for what a row may not hold."""
    from synthgen.tasks.labelled import label_names, label_of, text_of

    name_of = label_names(labels)
    columns: dict[str, list[Any]] = {"text": [], "label": []}
    for where, row in rows:
        if "text_pair" in row and row["text_pair"] is None:
            row = {name: value for name, value in row.items() if name != "text_pair"}
        if not columns["text"]:
            columns |= {name: [] for name in _MORE if name in row}
        for name in _MORE:
            if (name in row) != (name in columns):
                raise UserError(f"{where} and the first differ in having a {name}; give one on every line or on none.")
        columns["text"].append(text_of(row, "text", where))
        columns["label"].append(sys.intern(label_of(row.get("label"), name_of, labels, where)))
        if "weight" in row:
            columns["weight"].append(_weight(row["weight"], where))
        if "text_pair" in row:
            columns["text_pair"].append(text_of(row, "text_pair", where))
        if "plm" in row:
            # One string for each name, not one a row.
            columns["plm"].append(sys.intern(text_of(row, "plm", where)))
        if "id" in row:
            columns["id"].append(str(row["id"]))
    return columns


def _weight(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise UserError(f"{where} has a weight that is not a number of 0 or more.")
    return float(value)


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    for candidate in (path / "dataset" / "train.parquet", path / "train.parquet", *sorted(path.glob("*.parquet"))):
        if candidate.is_file():
            return candidate
    if (path / "recipe.yaml").is_file():
        raise UserError(f"The run in {path} has no dataset yet; continue it with --resume.")
    raise UserError(f"{path} is no dataset: give a run folder, or a Parquet or JSONL file.")


def _from_parquet(file: Path, task: Task | None) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from synthgen.tasks.gold_files import class_names_of

    with _readable(file), pq.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
    if missing := {"text", "label"} - set(schema.names):
        raise UserError(f"{file} has no column {' and '.join(sorted(missing))}.")
    if pa.types.is_integer(schema.field("label").type):
        try:
            noted = class_names_of(schema).get("label")
        except ValueError:
            raise UserError(f"{file} is not readable Parquet: what it notes of its columns is no JSON.") from None
        names = noted or (task and list(task.labels))
        if not names:
            raise UserError(f"{file} has label ids without names; say --task.")
    else:
        names = list(task.labels) if task else None
    rows = enumerate(_rows(file, [name for name in ("text", "label", *_MORE) if name in schema.names]), start=1)
    return _checked(((f"Row {number} of {file.name}", row) for number, row in rows), names)


def _rows(file: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, of which some thousand are in memory."""
    import pyarrow.parquet as pq

    with _readable(file), pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH, columns=columns):
            yield from batch.to_pylist()


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not readable Parquet: {' '.join(str(error).split())[:150]}.") from None
