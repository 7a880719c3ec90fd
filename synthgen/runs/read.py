"""Read a run folder back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.errors import UserError
from synthgen.recipe import Recipe, read_recipe
from synthgen.runs.files import read_jsonl
from synthgen.tasks.registry import load_task, the_task
from synthgen.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa


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
        """Return all accepted samples, with their final weights where the run is complete: 0 if not in the dataset."""
        rows = [row for path in self.rounds() for row in read_jsonl(path / "samples.jsonl")]
        dataset = self.path / "dataset" / "train.parquet"
        if self.metrics and dataset.is_file():
            import pyarrow.parquet as pq

            table = pq.read_table(dataset, columns=["id", "weight"])
            weights = dict(zip(table["id"].to_pylist(), table["weight"].to_pylist(), strict=True))
            for row in rows:
                row["weight"] = weights.get(row["id"], 0.0)
        return rows

    def dynamics(self) -> "pa.Table":
        """Return the dynamics of the last round. Raises ``UserError`` where no round is finished."""
        import pyarrow.parquet as pq

        if not (rounds := self.rounds()):
            raise UserError(f"{self.path} has no finished round yet.")
        return pq.read_table(rounds[-1] / "dynamics.parquet")

    def demonstrations(self) -> list[list[dict[str, Any]]]:
        """Return what was chosen after each round."""
        return [json.loads((path / "demonstrations.json").read_text(encoding="utf-8")) for path in self.rounds()]


def load_run(path: Path | str) -> Run:
    """Read the run in ``path``. Raises ``UserError`` where there is none or a file of it is damaged."""
    path = Path(path)
    if not (path / "recipe.yaml").is_file():
        raise UserError(f"{path} is not a run folder: it has no recipe.yaml.")
    return Run(path, read_recipe(path / "recipe.yaml"), _object(path / "manifest.json"), _object(path / "metrics.json"))


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise UserError(f"{path} is damaged; resume the run to write it anew.")
    return loaded
