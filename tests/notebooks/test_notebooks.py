"""The notebooks: stored without outputs, and executed from nothing with a real kernel."""

import io
from pathlib import Path

import matplotlib.font_manager
import nbformat
import numpy as np
import pytest
from executing import complaints, execute, pictures
from matplotlib.image import imread

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PICTURES = {"compare-runs": 3, "one-run": 5, "papers-tables": 1}
"""How many pictures each notebook shows."""


def test_every_notebook_is_known_here() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(PICTURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_is_valid_and_has_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "start"),
    [(path, ROOT / "notebooks" if number else ROOT) for number, path in enumerate(NOTEBOOKS)],
    ids=[path.stem for path in NOTEBOOKS],
)
def test_a_notebook_runs_from_nothing(path: Path, start: Path, tmp_path: Path) -> None:
    # The first to look for fonts writes a list of them, and says so: let that not be a notebook.
    assert matplotlib.font_manager.fontManager.ttflist
    runs = tmp_path / "runs"
    notebook = execute(path, cwd=start, home=tmp_path / "jupyter", runs=runs)
    assert complaints(notebook) == []
    shown = pictures(notebook)
    assert len(shown) == PICTURES[path.stem]
    for picture in shown:
        pixels = imread(io.BytesIO(picture), format="png")
        assert min(pixels.shape[:2]) > 200
        # Anything drawn has more than a background and one ink.
        assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20
    assert list(runs.rglob("metrics.json")), "runs go where the environment says"
