"""The GPUs as a stand-in for the driver's tool reports them, found on PATH and run like the real one."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms import hardware
from synthgen.plms.hardware import GPU, driver, gpus, host_memory, parse_gpus, visible_gpus

TWO = """\
0, GPU-aaaa1111-0000, NVIDIA H200, 143771, 143000
1, GPU-aaaa2222-0000, NVIDIA A10G, 23028, 1000
"""
Tool = Callable[[str], None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Put a shell script called nvidia-smi first on PATH."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(body: str) -> None:
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    return write


def says(text: str) -> str:
    return f"case \"$*\" in *noheader,nounits*index,uuid,name,memory.total,memory.free*) cat <<'END'\n{text}\nEND\nesac"


def test_gpus_are_read_in_decimal_gigabytes(tool: Tool) -> None:
    tool(says(TWO))
    first, second = gpus()
    assert (first.index, first.name, first.uuid) == (0, "NVIDIA H200", "GPU-aaaa1111-0000")
    assert first.total == pytest.approx(143771 * 2**20 / 1e9)
    assert second.free == pytest.approx(1000 * 2**20 / 1e9)


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        ("0,1", [0, 1]),
        (" 1 , 0", [1, 0]),
        ("1", [1]),
        ("", []),
        ("-1", []),
        ("1,-1,0", [1]),
        ("7", []),
        ("0,0", []),
        ("GPU-aaaa2222-0000", [1]),
        ("GPU-aaaa2,GPU-aaaa1", [1, 0]),
        ("GPU-aaaa", []),
        ("MIG-aaaa", []),
    ],
)
def test_what_cuda_leaves_visible(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, visible: str, indices: list[int]
) -> None:
    tool(says(TWO))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.index for gpu in gpus()] == indices


def test_memory_shared_with_the_host_is_the_hosts(tool: Tool) -> None:
    tool(says("0, GPU-b, NVIDIA GB10, [N/A], [N/A]"))
    (gpu,) = gpus()
    total, _ = host_memory()
    assert gpu.total == pytest.approx(total)
    assert 0 < gpu.free <= total
    (half,) = parse_gpus("0, GPU-b, NVIDIA GB10, 1000, Not Supported", (100.0, 50.0))
    assert (half.total, half.free) == (pytest.approx(1000 * 2**20 / 1e9), 50.0)
    assert parse_gpus("0, GPU-b, NVIDIA H200, [GPU is lost], [Unknown Error]", (100.0, 50.0)) == ()


@pytest.mark.parametrize(
    "body",
    [
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        says(TWO) + "\nexit 9",
        "echo 'No devices were found'",
        "echo '<html>, 0, 0, 0, 0'",
        "printf '0, GPU-x, \\377\\376, many, few\\n'",
        ":",
        "kill -9 $$",
    ],
)
def test_a_broken_tool_means_no_gpu(tool: Tool, body: str) -> None:
    tool(body)
    assert gpus() == ()
    assert driver() is None


def test_an_absent_or_unusable_tool_means_no_gpu(tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == ()
    (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF nothing")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert gpus() == ()
    assert driver() is None


def test_a_tool_that_hangs_is_given_up(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "TIMEOUT", 0.5)
    tool("exec sleep 600")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    assert gpus() == ()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_the_drivers_version(tool: Tool) -> None:
    tool("case \"$*\" in *driver_version*) printf '580.65.06\\n580.65.06\\n';; esac")
    assert driver() == "580.65.06"


def test_no_cuda_context_and_no_torch(tool: Tool) -> None:
    tool(says(TWO))
    code = "import sys; from synthgen.plms.hardware import gpus; print(len(gpus()), 'torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["2", "False"]


@given(st.text() | st.text("0123456789, .-[]N/A\n"))
def test_no_text_around_it_hides_or_changes_a_gpu(text: str) -> None:
    host = (8.0, 4.0)
    both, alone = parse_gpus(TWO, host), parse_gpus(text, host)
    assert parse_gpus(f"{text}\n{TWO}", host) == alone + both
    assert parse_gpus(f"{TWO}{text}", host) == both + alone


UUIDS = st.text("abcdef0123456789-", min_size=1)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9 .,()-]*[A-Za-z0-9]", fullmatch=True)


@given(st.lists(st.tuples(UUIDS, NAMES), max_size=8, unique_by=lambda pair: pair[0]), st.integers(0, 10**7))
def test_what_is_reported_is_read(cards: list[tuple[str, str]], mebibytes: int) -> None:
    lines = [f"{n}, GPU-{uuid}, {name}, {mebibytes}, {mebibytes // 2}" for n, (uuid, name) in enumerate(cards)]
    read = parse_gpus("\n".join(lines), (0, 0))
    assert [gpu.uuid for gpu in read] == [f"GPU-{uuid}" for uuid, _ in cards]
    assert [gpu.index for gpu in read] == list(range(len(cards)))
    assert all(gpu.total == pytest.approx(mebibytes * 2**20 / 1e9) for gpu in read)


@given(st.permutations(range(5)), st.integers(0, 5))
def test_indices_and_uuids_mean_the_same(order: list[int], count: int) -> None:
    found = tuple(GPU(n, "a GPU", 24, 20, f"GPU-{n}{n}{n}") for n in range(5))
    chosen = order[:count]
    wanted = tuple(found[n] for n in chosen)
    assert visible_gpus(found, ",".join(map(str, chosen))) == wanted
    assert visible_gpus(found, ",".join(f"GPU-{n}" for n in chosen)) == wanted
    assert visible_gpus(found, None) == found


def test_the_hosts_memory_adds_up() -> None:
    total, available = host_memory()
    assert total == pytest.approx(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, rel=0.05)
    assert 0 < available <= total
