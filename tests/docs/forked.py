"""Commands without the seconds that importing takes: a process that has imported everything forks one for each.

As a program: ``python forked.py SOCKET`` is that process. The ``synthgen`` that ``write_command`` makes hands its
arguments, folder, environment and streams over to it, and ends with the exit code that comes back.
"""

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as wire:
    wire.connect({address!r})
    asked = json.dumps([{run!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(wire, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    wire.sendall(asked)
    sys.exit(int(wire.recv(1)[0]))
"""
HEAVY = ["torch", "transformers", "datasets", "sklearn.linear_model", "scipy.optimize", "pandas", "matplotlib.pyplot"]


def write_command(path: Path, address: Path, run: str) -> None:
    """Write a program that runs ``synthgen`` or ``python`` in a fork of the process at ``address``."""
    path.write_text(CLIENT.format(python=sys.executable, address=str(address), run=run), encoding="utf-8")
    path.chmod(0o755)


def serve(address: str) -> None:
    """Import, listen, and fork a process for every connection, until stdin ends."""
    from importlib import import_module

    for name in HEAVY:
        import_module(name)
    import matplotlib.font_manager

    assert matplotlib.font_manager.fontManager.ttflist
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            wire, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _attend(wire)
            wire.close()


def _attend(wire: socket.socket) -> None:
    """Run what is asked for in a child of this process, and send its exit code back."""
    import json

    head, streams, _, _ = socket.recv_fds(wire, 4, 3)
    wanted, text = int.from_bytes(head, "big"), b""
    while len(text) < wanted:
        text += wire.recv(wanted - len(text))
    run, arguments, folder, environment = json.loads(text)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        wire.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os._exit(_run(run, arguments))
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        wire.sendall(bytes([os.waitstatus_to_exitcode(status) & 255]))
    os._exit(0)


def _run(run: str, arguments: list[str]) -> int:
    """Be ``synthgen`` or ``python`` with these arguments; return the exit code, with the streams written out."""
    import runpy
    import traceback

    sys.argv = [run, *arguments]
    code: object = 0
    try:
        if run == "synthgen":
            from synthgen.cli import main

            main(arguments)
        elif arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__")
        else:
            sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).resolve().parent)
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    return code if isinstance(code, int) else int(bool(code))


if __name__ == "__main__":
    serve(sys.argv[1])
