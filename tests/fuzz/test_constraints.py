"""The pinned versions: every dependency has one, it is allowed, and no place of this machine stands among them."""

import importlib.util
import re
import sys
import tomllib
from types import ModuleType

import pytest
from hostile_places import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LINES = [
    line
    for line in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [*PROJECT["dependencies"], *EXTRAS["dev"], *EXTRAS["embedding"], *EXTRAS.get("bench", [])]


def pins() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in LINES:
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("wanted", [one for one in WANTED if not one.startswith("synthgen")])
def test_every_dependency_is_pinned_to_a_version_it_allows(wanted: str) -> None:
    requirement = Requirement(wanted)
    pinned = pins().get(canonicalize_name(requirement.name), [])
    assert pinned, f"{wanted}: run tools/lock.sh"
    for one in pinned:
        (version,) = (specifier.version for specifier in one.specifier)
        assert requirement.specifier.contains(version), f"{wanted} is pinned to {version}: run tools/lock.sh"


def test_pins_are_plain_versions_of_packages_of_any_index() -> None:
    for line in LINES:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*( ; [a-z_0-9. <>=!'()]+)?", line, re.IGNORECASE), (
            line
        )
        assert "+" not in line
        assert "/" not in line
    assert sorted(LINES, key=lambda line: line.split("==")[0]) == LINES


def test_torch_is_one_that_a_local_build_satisfies() -> None:
    (torch,) = pins()["torch"]
    import torch as here

    assert torch.specifier.contains(here.__version__.split("+")[0])


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", REPOSITORY / "tools" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


CLEAR = {"name": "a", "version": "1", "vulns": []}
HOLE = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def test_an_audit_that_could_not_ask_finds_nothing_good(audit: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.reported([CLEAR], "", "pypi") == 0
    assert audit.reported([CLEAR, HOLE, SKIPPED], "", "pypi") == 1
    assert "b 2: CVE-1; mended in 2.1" in capsys.readouterr().out
    assert audit.reported([CLEAR, SKIPPED], "", "pypi") == audit.NOT_ASKED
    assert audit.reported([], "no network", "pypi") == audit.NOT_ASKED
    assert "no network" in capsys.readouterr().out
