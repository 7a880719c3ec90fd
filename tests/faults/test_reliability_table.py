"""docs/reliability.md promises nothing that is not tested."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<fault>.+?) \| (?P<comes>.+?) \| `(?P<file>[\w/]+\.py)::(?P<test>test_\w+)` \|$")


def rows() -> list[dict[str, str]]:
    lines = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    found = [ROW.match(line) for line in table[2:]]
    assert all(found), [line for line, row in zip(table[2:], found, strict=True) if not row]
    return [row.groupdict() for row in found if row]


def test_every_row_has_its_test() -> None:
    for row in rows():
        source = (ROOT / row["file"]).read_text(encoding="utf-8")
        assert f"\ndef {row['test']}(" in source, f"{row['fault']}: there is no {row['test']} in {row['file']}"


def test_every_test_of_a_fault_has_its_row() -> None:
    told = {(row["file"], row["test"]) for row in rows()}
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        names = re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        file = path.relative_to(ROOT).as_posix()
        assert names
        assert {name for name in names if (file, name) in told}, f"no row names a test of {file}"
