"""What a run costs is held, and the gate that holds it would notice."""

import copy
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from gate import BENDS, CALLS, HOME, PLMS, RECORD, SIZES, SMALL, STAGES, TOLERANCE, Lines, Peak, problems, stage_of
from hypothesis import given
from hypothesis import strategies as st

from synthgen.events import StageStarted
from synthgen.seeds import derive_seed
from synthgen.text import whole

RECORDED = json.loads(RECORD.read_text(encoding="utf-8"))
COSTS = [(kind, name) for kind, costs in RECORDED["a sample"].items() for name in costs]


def changed(kind: str, name: str, **values: float) -> dict[str, Any]:
    found = copy.deepcopy(RECORDED)
    found["a sample"][kind][name].update({key.replace("_", " "): value for key, value in values.items()})
    return found


def test_a_run_costs_no_more_than_it_did() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "gate.py"
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, **threads})
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


def test_what_is_recorded_passes() -> None:
    assert list(problems(RECORDED, RECORDED)) == []


@pytest.mark.parametrize(("kind", "name"), COSTS)
def test_what_is_dearer_than_the_tolerance_is_said(kind: str, name: str) -> None:
    limit = TOLERANCE * RECORDED["a sample"][kind][name]["each"] + SMALL[kind]
    (said,) = problems(changed(kind, name, each=limit * 1.01), RECORDED)
    assert said.startswith(kind)
    assert name in said
    assert list(problems(changed(kind, name, each=limit * 0.99), RECORDED)) == []


@pytest.mark.parametrize(("kind", "name"), [cost for cost in COSTS if cost[0] in BENDS])
def test_what_grows_faster_than_the_samples_is_said(kind: str, name: str) -> None:
    step = max(RECORDED["a sample"][kind][name]["first step"], 1000.0)
    (said,) = problems(changed(kind, name, first_step=step, last_step=2 * step), RECORDED)
    assert "not flat" in said


@given(base=st.floats(1, 1e3), factor=st.floats(1, 1e3))
def test_any_quadratic_part_as_large_as_the_linear_one_bends(base: float, factor: float) -> None:
    first, second, third = (size * len(PLMS) for size in SIZES)
    square = factor / second

    def step(low: int, high: int) -> float:
        return base * factor + base * square * (high**2 - low**2) / (high - low)

    found = changed("lines", "curate", first_step=step(first, second), last_step=step(second, third))
    # Below the floor nothing is said: a stage of one line a sample may become one of two.
    assert [said for said in problems(found, RECORDED) if "not flat" in said]


def test_a_new_cost_must_be_recorded() -> None:
    known = copy.deepcopy(RECORDED)
    del known["a sample"]["lines"]["curate"]
    (said,) = problems(RECORDED, known)
    assert "--update" in said


def test_another_python_is_held_to_the_bends_alone() -> None:
    found = changed("lines", "curate", each=1e6) | {"python": "3.99"}
    assert list(problems(found, RECORDED)) == []
    bent = changed("lines", "curate", first_step=100.0, last_step=200.0) | {"python": "3.99"}
    assert len(list(problems(bent, RECORDED))) == 1


def test_lines_are_counted_by_file_in_every_thread() -> None:
    def count(times: int) -> dict[tuple[str, str], int]:
        with Lines() as lines:
            for number in range(times):
                derive_seed("gate", number)
            other = threading.Thread(target=whole, args=("one", "two"))
            other.start()
            other.join()
        return dict(lines.counted)

    once, thrice = count(1), count(3)
    seeds, text = (os.path.join(HOME, name) for name in ("seeds.py", "text.py"))  # noqa: PTH118
    assert thrice[seeds, ""] == 3 * once[seeds, ""] > 0
    assert thrice[seeds, "derive_seed"] == 3
    assert once[text, "whole"] == 1
    assert all(path.startswith(HOME) for path, _ in thrice)


def test_the_peak_is_what_was_held_before_the_dataset_was_written() -> None:
    peak = Peak()
    held = bytearray(10_000_000)
    del held
    peak(None)
    assert 10_000_000 <= peak.bytes < 11_000_000
    peak(StageStarted("write"))
    seen = peak.bytes
    held = bytearray(20_000_000)
    peak(None)
    assert peak.bytes == seen
    assert len(held) == 20_000_000


@pytest.mark.parametrize("start", [*STAGES, *(start for start, _ in CALLS.values())])
def test_the_stages_name_what_is_there(start: str) -> None:
    assert (Path(HOME) / start).exists()


def test_the_longest_beginning_decides() -> None:
    assert stage_of(HOME + "downstream/influence.py") == "select"
    assert stage_of(HOME + "downstream/tfidf.py") == "learn"
    assert stage_of(HOME + "evolve.py") == "loop"


def test_every_stage_and_call_was_counted() -> None:
    assert set(RECORDED["a sample"]["lines"]) == set(STAGES.values())
    assert set(RECORDED["a sample"]["calls"]) == set(CALLS)
