"""The direction of imports, and what the command line must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "synthgen"
# Lowest first; a room imports from its own row and from rows before it.
ROWS = [
    {"errors", "records", "prompt", "seeds", "text", "events", "licences", "samples", "aside", "blocks", "links"},
    {"recipe", "tasks"},
    {"plms", "spread", "downstream", "curate", "embedders", "privacy"},
    {"quality"},
    {"methods", "evaluate", "testing", "estimate"},
    {"runs", "datasets"},
    {"report", "generate", "hub", "export"},
    {"round", "pool", "contexts"},
    {"parts"},
    {"gather", "outcome", "shelf", "decontaminate", "checkpoint"},
    {"evolve"},
    {"assemble"},
    {"plan", "api"},
    {"study"},
    {"cli", "__main__"},
]
LEVEL = {room: level for level, row in enumerate(ROWS) for room in row}
HEAVY = ("torch", "transformers", "sklearn", "matplotlib", "datasets", "scipy", "numpy", "pyarrow", "vllm")


def imports() -> list[tuple[str, str, str]]:
    found = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "synthgen" and len(parts) > 1 and room != "__init__":
                    found.append((str(path.relative_to(PACKAGE)), room, parts[1]))
    return found


def test_every_room_has_a_row() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.name[0] not in "_."} | {"__main__"}
    assert rooms == set(LEVEL)


def test_imports_point_downward() -> None:
    upward = [(path, other) for path, room, other in imports() if LEVEL[other] > LEVEL[room]]
    assert upward == []


@pytest.mark.parametrize(
    "code",
    [
        "import synthgen",
        "from synthgen.cli import main; main(['--help'])",
        "from synthgen.cli import main; main(['fusegen', '--help'])",
        "from synthgen.cli import main; main(['--version'])",
    ],
)
def test_help_loads_nothing_heavy(code: str) -> None:
    script = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit as end:\n    assert not end.code\n"
    script += f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip().splitlines()[-1] == "[]"
