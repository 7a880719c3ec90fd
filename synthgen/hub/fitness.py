"""Whether a run may be published: complete, whole, and true to what it promised its private samples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import SynthgenError, UserError
from synthgen.recipe import read_settings
from synthgen.runs.files import object_of
from synthgen.tasks.gold_files import class_names_of

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Fit:
    """A run that may be published. ``documents`` are what it says of itself, by file; ``protected`` is None where no
    private samples took part, and false where they did without protection."""

    documents: dict[str, dict[str, Any]]
    rows: int
    protected: bool | None


def check_fitness(run: Path) -> Fit:
    """Read what the folder says, of this version or an older one.

    Raises ``UserError`` where it is no run, not complete, damaged, or where its ledger does not bear out its promise.
    """
    if not (run / "recipe.yaml").is_file():
        raise UserError(f"{run} is not a run folder: it has no recipe.yaml.")
    documents = {"recipe.yaml": read_settings(run / "recipe.yaml")}
    for name in ("manifest.json", "metrics.json"):
        if (run / name).is_file():
            documents[name] = _object(run / name)
    manifest = documents.get("manifest.json", {})
    if manifest.get("status") != "complete":
        raise UserError(
            f"{run} is not complete (status: {manifest.get('status', 'unknown')}); finish it first: "
            f"synthgen run {run / 'recipe.yaml'} --out {run} --resume"
        )
    path, metrics = run / "dataset" / "train.parquet", documents.get("metrics.json", {})
    rows, counts, names = _read(path)
    counted = metrics.get("samples", rows)
    if counted != rows:
        raise UserError(f"{run} is damaged: its dataset has {rows} rows and its metrics.json counts {counted} samples.")
    _check_counts(path, counts, names, metrics)
    return Fit(documents, rows, _protected(run, documents["recipe.yaml"], manifest))


def _read(path: Path) -> tuple[int, dict[str, Counter[Any]], list[str]]:
    """Read all of a dataset once; return its rows, those of each label and PLM as they stand there, and label names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"There is no {path}; resume the run to write it anew.")
    rows, counts = 0, {column: Counter[Any]() for column in ("label", "plm")}
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            for batch in file.iter_batches():
                rows += batch.num_rows
                for column in counts.keys() & set(schema.names):
                    for found in batch[column].value_counts().to_pylist():
                        counts[column][found["values"]] += found["counts"]
    except (pa.ArrowException, OSError):
        raise UserError(f"{path} cannot be read as Parquet; resume the run to write it anew.") from None
    if absent := [name for name in ("text", "label") if name not in schema.names]:
        raise UserError(f"{path} has no column {absent[0]}; resume the run to write it anew.")
    try:
        names = class_names_of(schema).get("label") or []
    except ValueError:
        raise UserError(f"{path} cannot be read as Parquet; resume the run to write it anew.") from None
    return rows, {name: counts[name] for name in counts if name in schema.names}, names


def _check_counts(
    path: Path, counts: Mapping[str, Counter[Any]], names: Sequence[str], metrics: Mapping[str, Any]
) -> None:
    """Raise ``UserError`` where a dataset has not the labels and PLMs that the run counted: it is another one's."""
    for column, counted in (("label", metrics.get("samples_by_label")), ("plm", metrics.get("samples_by_plm"))):
        if not isinstance(counted, dict) or column not in counts:
            continue
        known = names or list(counted)
        held = Counter[Any]()
        for value, number in counts[column].items():
            held[known[value] if isinstance(value, int) and value < len(known) else value] += number
        if held != Counter({name: number for name, number in counted.items() if number}):
            raise UserError(
                f"{path} is not the dataset of this run: its {column}s are others than metrics.json counts."
            )


def _protected(run: Path, recipe: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool | None:
    privacy = manifest.get("privacy")
    if not privacy:
        if recipe.get("private") or (run / "ledger.json").is_file():
            raise UserError(
                f"{run / 'manifest.json'} does not say what was promised to the private samples of the run."
            )
        return None
    if not isinstance(privacy, dict):
        raise UserError(f"{run / 'manifest.json'} is damaged, so the run is not published.")
    path = run / "ledger.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: what was spent is not known, so the run is not published.")
    held = _object(path)
    if "epsilon" not in privacy:
        return False
    _check_spending(path, held, privacy)
    _check_votes(run, {str(row["name"]) for row in held["releases"]})
    return not str(privacy.get("noise", "")).startswith("INSECURE")


def _check_spending(path: Path, held: Mapping[str, Any], privacy: Mapping[str, Any]) -> None:
    from synthgen.privacy.ledger import Ledger, spent_epsilon

    try:
        promised = dict(held["promised"])
        if any(promised.get(term) != privacy.get(term) for term in ("epsilon", "delta", "adjacency", "noise")):
            raise UserError(f"{path} holds another promise than {path.with_name('manifest.json')}.")
        epsilon, delta = float(promised.pop("epsilon")), float(promised.pop("delta"))
        releases = list(Ledger(path, epsilon=epsilon, delta=delta, terms=promised).releases)
        spent, told = spent_epsilon(releases, delta), float(held["spent"]["epsilon"])
    except UserError:
        raise
    except (SynthgenError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} is damaged: what was spent is not known, so the run is not published.") from None
    if not spent <= epsilon * (1 + _TOLERANCE):
        raise UserError(f"{path} lists releases of epsilon {spent:.4g} in all; {epsilon:g} were promised.")
    if not told >= spent * (1 - _TOLERANCE):
        raise UserError(f"{path} does not sum up: it tells epsilon {told:.4g} and lists releases of {spent:.4g}.")


def _check_votes(run: Path, listed: set[str]) -> None:
    """Raise ``UserError`` where a round holds a release that the ledger does not list."""
    for path in sorted(run.glob("rounds/*/votes.json")):
        for name in _object(path).get("releases") or {}:
            if f"{path.parent.name} {name}" not in listed:
                raise UserError(f"{run / 'ledger.json'} does not list the release {name} of round {path.parent.name}.")


def _object(path: Path) -> dict[str, Any]:
    loaded = object_of(path)
    if loaded is None:
        raise UserError(f"{path} is damaged, so the run is not published.")
    return loaded
