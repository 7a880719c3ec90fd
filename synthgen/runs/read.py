"""Read a run folder back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from synthgen import __version__
from synthgen.errors import UserError
from synthgen.recipe import Recipe, read_recipe
from synthgen.runs.files import check, damaged, object_of, rows_of
from synthgen.runs.shapes import Manifest, Metrics, fits
from synthgen.tasks.registry import load_task, the_task
from synthgen.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa

    from synthgen.runs.sample_table import SampleTable

DATASET = "dataset/train.parquet"
"""Where in a run folder the dataset is."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished or unfinished run, from its folder alone. ``metrics`` is empty until the run is complete."""

    path: Path
    recipe: Recipe
    manifest: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.path.name

    @property
    def task(self) -> Task:
        """The task as the run had it, whatever became of its file. Raises ``UserError`` where neither is left."""
        kept = self.path / "task.yaml"
        if kept.is_file():
            return load_task(str(kept))
        return the_task(self.recipe.task, self.recipe.labels, self.recipe.about)

    def rounds(self) -> list[Path]:
        """Return the folders of the rounds that were learned from, in order."""
        return sorted(path.parent for path in self.path.glob("rounds/*/dynamics.parquet"))

    def samples(self) -> list[dict[str, Any]]:
        """Return all accepted samples, with their final weights where the run is complete: 0 if not in the dataset.

        Of a great many samples ``batches`` and ``table`` take less memory.
        """
        rows = [row for path in self._sample_files() for row in rows_of(path)]
        if dataset := self._dataset():
            import pyarrow as pa

            from synthgen.runs.batches import weights_in

            ids = pa.chunked_array(
                [[str(row.get("id")).encode("utf-8", "replace").decode() for row in rows]], pa.string()
            )
            for row, weight in zip(rows, weights_in(dataset, ids).tolist(), strict=True):
                row["weight"] = weight
        return rows

    def batches(self, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
        """Yield what ``samples`` returns as Arrow tables of some thousand rows, null for what a sample does not have.

        ``columns`` are those of ``synthgen.runs.batches.SCHEMA``; default: all. Raises ``UserError`` where a file is
        damaged.
        """
        from synthgen.runs.batches import sample_batches

        return sample_batches(self._sample_files(), self._dataset(), columns)

    def table(self) -> "SampleTable":
        """Return all of the samples but their texts, which it reads when they are asked for."""
        from synthgen.runs.sample_table import SampleTable

        return SampleTable.read(self._sample_files(), self._dataset())

    def dynamics(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Return the dynamics of the last round: all columns, or those asked for.

        Raises ``UserError`` where no round is finished, or the file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not (rounds := self.rounds()):
            raise UserError(f"{self.path} has no finished round yet.")
        path = rounds[-1] / "dynamics.parquet"
        check(path.parent, [path.name])
        try:
            return pq.read_table(path, columns=None if columns is None else list(columns))
        except (pa.ArrowException, OSError):
            raise damaged(path, "it cannot be read as Parquet") from None

    def demonstrations(self) -> list[list[dict[str, Any]]]:
        """Return what was chosen after each round. Raises ``UserError`` where a file of it is damaged."""
        found = []
        for folder in self.rounds():
            path = folder / "demonstrations.json"
            check(folder, [path.name])
            try:
                found.append(json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, RecursionError):
                raise damaged(path, "it is no JSON") from None
        return found

    def _sample_files(self) -> list[Path]:
        rounds = self.rounds()
        for folder in rounds:
            check(folder, ["samples.jsonl"])
        return [folder / "samples.jsonl" for folder in rounds]

    def _dataset(self) -> Path | None:
        path = self.path / DATASET
        if not self.metrics or not path.is_file():
            return None
        check(self.path, [DATASET])
        return path


def load_run(path: Path | str) -> Run:
    """Read the run in ``path``. Raises ``UserError`` where there is none or a file of it is damaged."""
    path = Path(path)
    if not (path / "recipe.yaml").is_file():
        raise UserError(f"{path} is not a run folder: it has no recipe.yaml.")
    check(path, ["metrics.json"])
    recipe, manifest = read_recipe(path / "recipe.yaml"), _object(path / "manifest.json", Manifest)
    check_recipe(path, recipe, manifest)
    return Run(path, recipe, manifest, _object(path / "metrics.json", Metrics))


def check_recipe(path: Path, recipe: Recipe, manifest: Mapping[str, Any]) -> None:
    """Raise ``UserError`` where ``recipe.yaml`` of the run in ``path`` is not what the run began with.

    A manifest of another version passes: its recipes may have other settings.
    """
    if (manifest.get("versions") or {}).get("synthgen") != __version__:
        return
    if manifest.get("settings_digest") not in (None, recipe.settings_digest):
        raise UserError(
            f"{path / 'recipe.yaml'} is not the recipe that manifest.json beside it says its run began with: one of "
            "them was edited or damaged."
        )


def _object(path: Path, shape: type[BaseModel]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = object_of(path)
    if loaded is None or not fits(shape, loaded):
        raise UserError(f"{path} is damaged; resume the run to write it anew.")
    return loaded
