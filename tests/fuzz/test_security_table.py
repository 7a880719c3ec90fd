"""Every row of docs/security.md names a test that is there."""

import ast

import pytest
from hostile_places import REPOSITORY

ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| what could")
]


def test_there_are_rows_of_three_cells() -> None:
    assert len(ROWS) > 25
    assert {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:50] for row in ROWS])
def test_the_test_of_a_row_is_there(row: list[str]) -> None:
    path, _, name = row[2].partition("::")
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_hostile_test_module_has_a_row() -> None:
    modules = {path.name for path in (REPOSITORY / "tests" / "fuzz").glob("test_*.py")} - {"test_security_table.py"}
    assert modules == {row[2].partition("::")[0].rpartition("/")[2] for row in ROWS}
