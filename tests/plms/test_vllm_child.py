"""Real processes in the place of vLLM: small servers that live, fail and end as it does."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest
from waiting import wait_until

from synthgen.errors import SynthgenError
from synthgen.plms.engines.vllm.child import GUARD, Child, free_port

SERVE = """
import sys, time, http.server
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404); self.end_headers()
    def log_message(self, *_): pass
def serve():
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""
HEALTHY = "print('starting', flush=True); time.sleep(0.3); serve()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"
TRACEBACK = r"""
sys.stdout.buffer.write(b"\xff\xfe half a character \xe2\x82\n"); sys.stdout.flush()
sys.exit(
    "(EngineCore pid=7) ERROR 11-22 10:11:12 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB.\n"
    "(APIServer pid=6) Traceback (most recent call last):\n"
    "(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above."
)
"""
FAMILY = """
import subprocess
for _ in range(2):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
serve()
"""


LINGERING = """
import subprocess
last = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: time.sleep(1) or exit()); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", last])
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Callable[[str], Callable[[int], list[str]]]:
    """Return what makes the command of a small server from the code of its main part."""

    def written(body: str) -> Callable[[int], list[str]]:
        script = tmp_path / "server.py"
        script.write_text(SERVE + body, encoding="utf-8")
        return lambda port: [sys.executable, str(script), str(port)]

    return written


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child()
    try:
        yield made
    finally:
        made.stop()


def members(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def launch(child: Child, command: Callable[[int], list[str]], log: Path, **more: object) -> int:
    return child.launch(command, os.environ, log, timeout=60, **more)  # type: ignore[arg-type]


def test_a_server_becomes_ready_and_is_gone_after_stop(server, child: Child, tmp_path: Path) -> None:
    waited: list[float] = []
    log, told = tmp_path / "logs" / "llama2.log", tmp_path / "told"

    def tell(seconds: float) -> None:
        waited.append(seconds)
        told.touch()

    ready = f"import os\nwhile not os.path.exists({str(told)!r}): time.sleep(0.01)\n{HEALTHY}"
    port = launch(child, server(ready), log, tell=tell)
    assert child.alive
    assert child.port == port
    assert httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    assert waited == sorted(waited)
    assert waited
    pid = child.pid
    assert pid is not None
    assert members(pid) == [pid]
    child.stop()
    child.stop()
    assert not child.alive
    assert not members(pid)
    launch(child, server(HEALTHY), log)
    assert log.read_text(encoding="utf-8").split() == ["starting", "starting"]


def test_a_second_start_of_a_running_child_is_refused(server, child: Child, tmp_path: Path) -> None:
    launch(child, server(HEALTHY), tmp_path / "log")
    with pytest.raises(SynthgenError, match=f"pid {child.pid} is running already"):
        child.start(["true"], os.environ, tmp_path / "log", 1)
    assert child.alive


def test_what_a_dying_server_said_is_told_with_advice(server, child: Child, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SynthgenError) as raised:
        launch(child, server(TRACEBACK), tmp_path / "logs" / "gpt2.log")
    said = str(raised.value)
    assert said.startswith("vLLM ended: torch.OutOfMemoryError: CUDA out of memory; give it more of the GPU")
    assert said.endswith("(its log: logs/gpt2.log).")
    assert "\n" not in said


def test_only_the_present_start_is_blamed(server, child: Child, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ValueError: of yesterday\n", encoding="utf-8")
    with pytest.raises(SynthgenError, match="exit status 3 without a word"):
        launch(child, server("sys.exit(3)"), log)


def test_a_killed_server_is_reported_by_its_signal(server, child: Child, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match="signal 9 without a word"):
        launch(child, server("import os; os.kill(os.getpid(), 9)"), tmp_path / "log")


def test_a_command_that_does_not_exist_is_one_sentence(child: Child, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match=r"vLLM ended: OSError: no-such-python cannot be run.*its log"):
        launch(child, lambda port: ["no-such-python", str(port)], tmp_path / "log")


def test_a_log_that_cannot_be_written_is_one_sentence(child: Child, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SynthgenError, match="cannot be started"):
        launch(child, lambda port: ["true"], tmp_path / "file" / "log")


def test_waiting_ends_after_the_timeout_and_nothing_stays(server, child: Child, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match=r"not ready after 1 seconds; see .*log"):
        child.launch(server("time.sleep(600)"), os.environ, tmp_path / "log", timeout=1)
    assert child.pid is not None
    assert not members(child.pid)


def test_an_interrupt_while_waiting_leaves_nothing(server, child: Child, tmp_path: Path) -> None:
    pids: list[int | None] = []

    def interrupt(_: float) -> None:
        pids.append(child.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(child, server("time.sleep(600)"), tmp_path / "log", tell=interrupt)
    assert pids[0] is not None
    assert not members(pids[0])


def test_an_interrupted_stop_can_be_finished(server, child: Child, tmp_path: Path) -> None:
    launch(child, server(DEAF), tmp_path / "log")
    # A shell starts background jobs deaf to SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(2, signal.raise_signal, [signal.SIGINT])
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            child.stop()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.alive
    child.stop(timeout=0)
    assert child.pid is not None
    assert not members(child.pid)


def in_another_thread(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_a_stop_from_outside_ends_a_launch_that_waits(server, child: Child, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match="stopped while it was starting"):
        launch(child, server("time.sleep(600)"), tmp_path / "log", tell=lambda _: in_another_thread(child.stop))
    assert child.pid is not None
    assert not members(child.pid)
    launch(child, server(HEALTHY), tmp_path / "log")
    assert child.alive


def test_a_stop_from_outside_ends_a_launch_that_has_not_started(server, child: Child, tmp_path: Path) -> None:
    def port() -> int:
        in_another_thread(child.stop)
        return free_port()

    with pytest.raises(SynthgenError, match="stopped while it was starting"):
        launch(child, server(HEALTHY), tmp_path / "log", next_port=port)
    assert child.pid is None


def test_two_threads_stop_what_a_third_launches(server, child: Child, tmp_path: Path) -> None:
    """The server ends at once, what it spawned a second later: all three wait for that together."""
    command, log = server(LINGERING), tmp_path / "log"
    for _ in range(4):
        with ThreadPoolExecutor(3) as pool:
            waiting = threading.Event()
            launched = pool.submit(launch, child, command, log, tell=lambda _, told=waiting: told.set())
            assert waiting.wait(60)
            pid = child.pid
            assert pid is not None
            wait_until(lambda pid=pid: len(members(pid)) == 2)  # type: ignore[misc]
            for stopped in [pool.submit(child.stop), pool.submit(child.stop)]:
                stopped.result()
                assert not members(pid)
            with pytest.raises(SynthgenError, match="stopped while it was starting"):
                launched.result()
        assert not child.alive


@pytest.mark.slow
def test_a_server_deaf_to_sigterm_is_killed_by_the_guard(server, child: Child, tmp_path: Path) -> None:
    launch(child, server(DEAF), tmp_path / "log")
    child.stop(timeout=60)
    assert child.pid is not None
    assert not members(child.pid)


def test_what_a_killed_server_spawned_goes_with_it(server, child: Child, tmp_path: Path) -> None:
    launch(child, server(FAMILY), tmp_path / "log")
    assert child.pid is not None
    wait_until(lambda: len(members(child.pid)) == 3)
    os.kill(child.pid, signal.SIGKILL)
    # Not by stop: the guard alone sees to it.
    wait_until(lambda: not members(child.pid))
    assert not child.alive
    assert "signal 9" in child.complaint()


def test_stop_ends_the_server_even_when_its_guard_was_killed(server, child: Child, tmp_path: Path) -> None:
    launch(child, server(FAMILY), tmp_path / "log")
    assert child.pid is not None
    leader = psutil.Process(child.pid)
    guard = leader.parent()
    assert guard is not None
    guard.kill()
    wait_until(lambda: guard.pid != leader.ppid())
    child.stop()
    assert not members(child.pid)


def test_another_port_is_tried_when_somebody_has_taken_it(server, child: Child, tmp_path: Path) -> None:
    """The other server is healthy, so that the port's health alone would make it ours."""
    other = Child()
    try:
        taken = launch(other, server("serve()"), tmp_path / "other")
        ports = iter([taken, taken, free_port()])
        port = launch(child, server("time.sleep(0.5); serve()"), tmp_path / "log", next_port=lambda: next(ports))
        assert port != taken
        assert other.alive
        child.stop()
        with pytest.raises(SynthgenError, match="Address already in use"):
            launch(child, server("time.sleep(0.5); serve()"), tmp_path / "log", next_port=lambda: taken)
        assert other.alive
    finally:
        other.stop()


OWNER = """
import os, sys, time
from pathlib import Path
from synthgen.plms.engines.vllm.child import Child
child = Child()
child.launch(lambda port: [sys.executable, sys.argv[1], str(port)], os.environ, Path(sys.argv[2]), timeout=60)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("whole_group", [False, True])
def test_nothing_outlives_a_killed_owner(server, tmp_path: Path, whole_group: bool) -> None:
    _, script, _ = server(FAMILY)(0)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, script, str(tmp_path / "log")], stdout=subprocess.PIPE, start_new_session=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        wait_until(lambda: len(members(pid)) == 3)
        guard = psutil.Process(pid).ppid()
        (os.killpg if whole_group else os.kill)(owner.pid, signal.SIGKILL)
    wait_until(lambda: not members(pid))
    wait_until(lambda: has_ended(guard))


def test_what_left_the_session_is_ended_too(server, child: Child, tmp_path: Path) -> None:
    body = """
import subprocess
lost = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(lost.pid, flush=True)
serve()
"""
    log = tmp_path / "log"
    launch(child, server(body), log)
    lost = psutil.Process(int(log.read_text(encoding="utf-8")))
    child.stop()
    assert not lost.is_running()


def test_the_guard_leaves_an_interrupt_to_its_owner() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen([sys.executable, str(GUARD), *sleep], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guard:
        assert guard.stdout is not None
        assert guard.stdin is not None
        command = psutil.Process(int(guard.stdout.readline()))
        guard.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            guard.wait(1.5)
        assert command.is_running()
        guard.stdin.close()
        assert guard.wait(60) == 128 + signal.SIGTERM
    assert not command.is_running()


def test_free_ports_are_free() -> None:
    port = free_port()
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", port))
