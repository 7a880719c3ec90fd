"""What the README lists is what there is."""

import re

import pytest
from workplace import ROOT

from synthgen.methods import METHODS
from synthgen.plms.catalog import catalog
from synthgen.report.citations import papers_of
from synthgen.tasks.registry import task_names

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_row_and_its_papers_are_cited(method: str) -> None:
    assert f"| `{method}` |" in README
    for paper in papers_of(method):
        assert paper.bibtex() in README


def test_every_task_and_every_family_is_named() -> None:
    rows = re.findall(r"^\| ([\w, -]+) \|.*\|.*\|$", README, flags=re.MULTILINE)
    named = {name.strip() for row in rows for name in row.split(",")}
    assert set(task_names()) <= named
    missing = {family for family in catalog() if family not in README and not family.startswith("gpt-")}
    assert missing == set()


def test_the_first_page_has_the_two_commands_that_set_it_up() -> None:
    start = README.split("## Start")[1].split("## ")[0]
    assert re.findall(r"^make (\w+)", start, flags=re.MULTILINE) == ["demo", "test"]
