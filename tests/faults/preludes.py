"""Python that a command of the tests runs before it begins: what makes it slow, and what it lacks."""

NO_REPORT = """
import synthgen.report.write
synthgen.report.write.write_report = lambda run: None
"""
"""Pictures and pages take most of a small run's time, and say nothing of its dataset."""

SLOW = """
import time
from synthgen.plms.engines import scripted

def slow(request, plain=scripted.default_script):
    time.sleep(0.002)
    return plain(request)

scripted.open_scripted = lambda *_, **__: scripted.ScriptedEngine(slow, batch_size=4)
"""
"""The scripted engine, slow enough to be met at work."""

MORTAL = """
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""
"""A superuser without powers: permissions mean something to it."""


def when_opened(name: str, do: str) -> str:
    """Return a prelude that does something once, when a file whose path has ``name`` in it is first opened to write."""
    body = "\n".join(f"    {line}" for line in do.strip().splitlines())
    return f"""
import os, sys

def do():
{body}

done = []

def hear(event, given):
    writes = event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR)
    if writes and not done and {name!r} in str(given[0]):
        done.append(True)
        do()

sys.addaudithook(hear)
"""
