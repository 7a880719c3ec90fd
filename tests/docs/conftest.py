from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from workplace import Workplace, lay_out, warm_machine


@pytest.fixture(scope="session")
def warm() -> Iterator[dict[str, str]]:
    with warm_machine() as environment:
        yield environment


@pytest.fixture
def workplace(warm: dict[str, str], tmp_path: Path) -> Iterator[Workplace]:
    lay_out(tmp_path)
    with ExitStack() as servers:
        yield Workplace(tmp_path, warm, servers)
